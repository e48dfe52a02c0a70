"""Sets of flows, and networks, as people and programs read them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from analyzer.addresses import Prefix, prefix
from analyzer.policy.addressing import spanned
from analyzer.query.differences.changes import Allowed, Flows
from analyzer.ranges import Ranges, difference, normalised

NAMES = {1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6", 132: "SCTP"}
WITH_PORTS = (6, 17, 132)
WHOLE: Ranges = ((0, 65535),)


def allow_list(allowed: Allowed) -> list[dict[str, Any]]:
    """The flows as the contract has them: ``{"protocol": "TCP", "ports": "80,443"}``; protocols without a name of their own by number."""
    if everything(allowed):
        return [{"protocol": "ANY"}]
    found = [entry(NAMES[low], ranges) for (low, high), ranges in allowed if low == high and low in NAMES]
    others: dict[Ranges, list[tuple[int, int]]] = {}
    for (low, high), ranges in allowed:
        if low != high or low not in NAMES:
            others.setdefault(ranges, []).append((low, high))
    for ranges, protocols in others.items():
        numbers = {"numbers": numbers_text(normalised(protocols))}
        found.append({"protocol": "OTHER", **numbers} | ({} if ranges == WHOLE else {"ports": numbers_text(ranges)}))
    return found


def entry(name: str, ranges: Ranges) -> dict[str, Any]:
    """One protocol with its ports; port 0 is no port that anybody serves."""
    if name.startswith("ICMP"):
        return {"protocol": name} if ranges == WHOLE else {"protocol": name, "types": numbers_text(ranges)}
    return {"protocol": name, "ports": numbers_text(ports_of(ranges))}


def ports_of(ranges: Ranges) -> Ranges:
    """The ranges without port 0, where it is not all there is."""
    return difference(ranges, ((0, 0),)) or ranges


def numbers_text(ranges: Ranges) -> str:
    """``80,443,8000-8100``."""
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges)


def everything(allowed: Allowed) -> bool:
    """Whether these are all flows."""
    covered = normalised(protocols for protocols, ranges in allowed if ranges == WHOLE)
    return covered == ((0, 255),)


def allowed_text(allowed: Allowed) -> str:
    """The flows in words."""
    if not allowed:
        return "nothing"
    if everything(allowed):
        return "everything"
    parts = []
    for item in allow_list(allowed):
        ports = item.get("ports") or item.get("types") or ""
        name = f"protocols {item['numbers']}" if item["protocol"] == "OTHER" else item["protocol"]
        parts.append(f"{name} {ports}".strip() if ports != "1-65535" else f"{name} all ports")
    return "; ".join(parts)


def flows_text(flows: Flows, told: Allowed) -> str:
    """What one side admits; what is not known only where it is not the same on the other, which ``told`` has."""
    sure = allowed_text(flows.allowed)
    if not flows.unknown or flows.unknown == told:
        return sure
    perhaps = f"perhaps {allowed_text(flows.unknown)}"
    return perhaps if not flows.allowed else f"{sure}; {perhaps}"


def networks_text(cidrs: Iterable[str]) -> str:
    """Networks outside, as what is left of all addresses where that is shorter."""
    found = [prefix(text) for text in cidrs]
    parts = []
    for family in sorted({item.family for item in found}):
        own = [item for item in found if item.family == family]
        rest = list(left_of(own, family))
        names = [str(item) for item in own]
        all_of_it = "0.0.0.0/0" if family == 4 else "::/0"
        if len(rest) < len(own):
            names = [f"{all_of_it} but for {', '.join(map(str, rest))}" if rest else all_of_it]
        parts += names
    return f"outside ({', '.join(parts)})"


def left_of(blocks: Iterable[Prefix], family: int) -> Iterable[Prefix]:
    """The addresses of the family that are in none of the blocks."""
    whole: Ranges = ((0, (1 << (32 if family == 4 else 128)) - 1),)
    for low, high in difference(whole, normalised((item.value, item.last) for item in blocks)):
        yield from spanned(family, low, high + 1)


def ends_text(names: Iterable[str], limit: int) -> str:
    """The ends of a change: the first few by name, networks together."""
    networks = [name for name in names if is_network(name)]
    shown = [name.removesuffix("[Pod]") for name in names if not is_network(name)]
    more = len(shown) - limit
    if more > 1:
        shown = [*shown[:limit], f"{more} more"]
    return ", ".join([*shown, *([networks_text(networks)] if networks else [])])


def is_network(name: str) -> bool:
    """Whether a name is a CIDR and no pod's."""
    head, slash, length = name.partition("/")
    return bool(slash) and length.isdecimal() and (":" in head or (head.count(".") == 3 and head.replace(".", "").isdecimal()))
