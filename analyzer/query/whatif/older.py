"""``arp`` and ``route`` as what ``ip`` says (arp(8), route(8))."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network

from analyzer.addresses import address
from analyzer.query.whatif.routes import connected
from analyzer.query.whatif.state import NodeState, Run, taken, value

SHORT = ("-host", "-net", "-n", "-4", "-v")


def modern(state: NodeState, run: Run, program: str, words: Sequence[str]) -> list[str]:
    """The same for ``ip``."""
    return of_arp(state, run, words) if program == "arp" else of_route(run, words)


def of_arp(state: NodeState, run: Run, words: Sequence[str]) -> list[str]:
    """``arp -s ADDRESS MAC [-i DEVICE]``, ``arp -d ADDRESS [-i DEVICE]``; without a device, that which the route to the address leads to (net/ipv4/arp.c,
    arp_req_set)."""
    device = value(words, "-i")
    if device is None and len(words) > 1:
        found = sorted(connected(state, run, address(words[1])), key=lambda item: -item[0])
        device = found[0][1] if found else None
    match taken(words, "-i"):
        case ["-s", target, mac] if device is not None:
            return ["ip", "neigh", "replace", target, "lladdr", mac, "dev", device, "nud", "permanent"]
        case ["-d", target] if device is not None:
            return ["ip", "neigh", "del", target, "dev", device]
        case _:
            raise run.wrong(
                "expected arp -i DEVICE -s ADDRESS MAC, or arp -i DEVICE -d ADDRESS; without -i, of an address that a device is connected to"
            )


def of_route(run: Run, words: Sequence[str]) -> list[str]:
    """``route add|del [-net|-host] TARGET [netmask MASK] [gw GATEWAY] [metric N] [reject] [[dev] DEVICE]``."""
    plain = [word for word in words if word not in SHORT]
    if len(plain) < 2 or plain[0] not in ("add", "del"):
        raise run.wrong("expected route add or del, a destination, and gw GATEWAY or dev DEVICE")
    mask, gateway, metric, device = (value(plain, key) for key in ("netmask", "gw", "metric", "dev"))
    rest = plain[2:]
    for key in ("netmask", "gw", "metric", "dev"):
        rest = list(taken(rest, key))
    rejected = "reject" in rest
    device = device or next((word for word in rest if word != "reject"), None)
    target = plain[1] if mask is None else str(IPv4Network(f"{plain[1]}/{mask}"))
    # What is there already is no reason to refuse it: the new one comes first (net/ipv4/fib_frontend.c, rtentry_to_fib_config).
    parts = ["ip", "route", "prepend" if plain[0] == "add" else "del", *(["unreachable"] if rejected else []), target]
    for key, told in (("via", gateway), ("metric", metric), ("dev", device)):
        parts += [key, told] if told else []
    return parts
