"""``arp`` and ``route`` as what ``ip`` says (arp(8), route(8))."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network

from analyzer.query.whatif.state import Run, taken, value

SHORT = ("-host", "-net", "-n", "-4", "-v")


def modern(run: Run, program: str, words: Sequence[str]) -> list[str]:
    """The same for ``ip``."""
    return of_arp(run, words) if program == "arp" else of_route(run, words)


def of_arp(run: Run, words: Sequence[str]) -> list[str]:
    """``arp -s ADDRESS MAC [-i DEVICE]``, ``arp -d ADDRESS [-i DEVICE]``: without a device the capture does not tell which is meant."""
    device = value(words, "-i")
    match taken(words, "-i"):
        case ["-s", target, mac] if device is not None:
            return ["ip", "neigh", "replace", target, "lladdr", mac, "dev", device, "nud", "permanent"]
        case ["-d", target] if device is not None:
            return ["ip", "neigh", "del", target, "dev", device]
        case _:
            raise run.wrong("expected arp -i DEVICE -s ADDRESS MAC, or arp -i DEVICE -d ADDRESS")


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
    parts = ["ip", "route", plain[0], *(["unreachable"] if rejected else []), target]
    for key, told in (("via", gateway), ("metric", metric), ("dev", device)):
        parts += [key, told] if told else []
    return parts
