"""MetalLB: the addresses of its pools (metallb/metallb api/v1beta1/ipaddresspool_types.go)."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.addresses import WIDTH, Prefix, address
from analyzer.model.cluster import Range
from analyzer.model.systems import Objects, System
from analyzer.model.systems.reading import listing, mapping, prefixes

NAME = "metallb"


def ranges(objects: Objects) -> Iterator[Range]:
    """The addresses of ``IPAddressPool``: networks, and ranges cut into networks."""
    for fact in objects.others:
        if fact.kind == "IPAddressPool" and fact.api_version.startswith("metallb.io/"):
            for index, item in enumerate(listing(mapping(fact.document.get("spec")).get("addresses"))):
                at = fact.place("spec", "addresses", index)
                for prefix in cut(str(item)):
                    yield Range("balancer", prefix, at, f"IPAddressPool {fact.name}", NAME)


def cut(text: str) -> Iterator[Prefix]:
    """The networks of one entry, ``10.0.0.0/24`` or ``10.0.0.5-10.0.0.9``; none where it is neither."""
    first, dash, last = text.partition("-")
    if not dash:
        yield from prefixes(text)
        return
    try:
        low, high = address(first.strip()), address(last.strip())
    except ValueError:
        return
    value, width = low.value, WIDTH[low.family]
    while low.family == high.family and value <= high.value:
        size = value & -value or 1 << width
        while value + size - 1 > high.value:
            size >>= 1
        yield Prefix(low.family, value, width - size.bit_length() + 1)
        value += size


SYSTEM = System(NAME, ranges)
