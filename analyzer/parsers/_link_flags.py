"""The flags and states of interfaces, as ``ip link`` prints them (iproute2 ip/ipaddress.c, print_link_flags and print_operstate)."""

from __future__ import annotations

import re
from collections.abc import Iterable

OPERATIONAL = frozenset({"UNKNOWN", "NOTPRESENT", "DOWN", "LOWERLAYERDOWN", "TESTING", "DORMANT", "UP"})
FLAGS = frozenset(
    [
        "NO-CARRIER",
        "LOOPBACK",
        "BROADCAST",
        "POINTOPOINT",
        "MULTICAST",
        "NOARP",
        "ALLMULTI",
        "PROMISC",
        "MASTER",
        "SLAVE",
        "DEBUG",
        "DYNAMIC",
        "AUTOMEDIA",
        "PORTSEL",
        "NOTRAILERS",
        "UP",
        "RUNNING",
        "LOWER_UP",
        "DORMANT",
        "ECHO",
        "M-DOWN",
    ]
)


def flags_of(texts: Iterable[str]) -> frozenset[str]:
    """What stands in ``<…>``: names, and in hexadecimal what has none."""
    found = frozenset(texts)
    unknown = [flag for flag in sorted(found - FLAGS) if not re.fullmatch(r"[0-9a-f]+", flag)]
    if unknown:
        raise ValueError(f"the flag {unknown[0]!r} is not known")
    return found


def operational(text: str) -> str:
    """The operational state, which newer kernels may have as a number."""
    if text not in OPERATIONAL and not text.isdecimal():
        raise ValueError(f"the state {text!r} is not known")
    return text
