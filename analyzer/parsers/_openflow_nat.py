"""``nat(…)`` of the action ``ct`` (lib/ofp-actions.c, ``parse_NAT``)."""

from __future__ import annotations

import re

from analyzer.addresses import address
from analyzer.facts.openflow import Nat


def translation(text: str) -> Nat:
    """``nat``, ``nat(src=10.0.0.1-10.0.0.9:1-100,random)``."""
    for word in text.split(","):
        name, equals, value = word.partition("=")
        if equals and name in ("src", "dst"):
            return translated(name == "src", value)
        if word in ("src", "dst"):
            return Nat(word == "src")
        if word not in ("", "random", "hash", "persistent", "nat"):
            raise ValueError(f"nat({word[:40]}) is not known here")
    return Nat()


def translated(source: bool, text: str) -> Nat:
    """``10.0.0.1-10.0.0.9:1-100`` or ``[fd00::1]:80``."""
    if text.startswith("[") or text.count(":") < 2:
        found = re.fullmatch(r"(\[[^\]]*\](?:-\[[^\]]*\])?|[^:\[\]]*)(?::(\d+)(?:-(\d+))?)?", text)
        if found is None:
            raise ValueError(f"nat({text[:60]}) is no range of addresses and ports")
        span, first, last = found[1], found[2], found[3]
    else:
        span, first, last = text, None, None
    low, _, high = span.replace("[", "").replace("]", "").partition("-")
    one = address(low) if low else None
    two = address(high) if high else one
    ports = (int(first), int(last or first)) if first else None
    if one is None or two is None:
        return Nat(source, None, 4, ports)
    return Nat(source, (one.value, two.value), one.family, ports)
