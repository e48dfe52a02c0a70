"""Sets of addresses as the fewest CIDR blocks with exceptions, as an ``ipBlock`` has them."""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple

from analyzer.addresses import WIDTH, Prefix, default_prefix
from analyzer.ranges import Ranges


class Block(NamedTuple):
    """The addresses of ``cidr`` that are in none of the ``holes``, which are strictly inside it."""

    cidr: Prefix
    holes: tuple[Prefix, ...] = ()


class Plan(NamedTuple):
    """How the addresses of a prefix are told: ``outer`` where nothing around the prefix is told; inside of a larger block ``holes`` are cut out of
    it, and ``inner`` put in again."""

    outer: tuple[Block, ...]
    holes: tuple[Prefix, ...]
    inner: tuple[Block, ...]


def blocks_for(family: int, wanted: Ranges, unwanted: Ranges) -> tuple[Block, ...]:
    """Blocks that hold all wanted addresses and no unwanted one; of the others it does not matter. As few prefixes as there can be."""
    return plan(default_prefix(family), wanted, unwanted).outer


def plan(here: Prefix, wanted: Ranges, unwanted: Ranges) -> Plan:
    """The fewest prefixes for the addresses of a prefix, from those for its halves."""
    if not wanted:
        return Plan((), (here,) if unwanted else (), ())
    if not unwanted:
        return Plan((Block(here),), (), ())
    left, right = (plan(half, inside(half, wanted), inside(half, unwanted)) for half in halves(here))
    apart = (*left.outer, *right.outer)
    holes, inner = (*left.holes, *right.holes), (*left.inner, *right.inner)
    around = (Block(here, holes), *inner)
    outer = around if cost(around) < cost(apart) else apart
    if 1 + cost(apart) < len(holes) + cost(inner):
        return Plan(outer, (here,), apart)
    return Plan(outer, holes, inner)


def cost(blocks: tuple[Block, ...]) -> int:
    """How many prefixes are written."""
    return sum(1 + len(block.holes) for block in blocks)


def halves(whole: Prefix) -> tuple[Prefix, Prefix]:
    """The two halves of a prefix that has more than one address."""
    length = whole.length + 1
    return Prefix(whole.family, whole.value, length), Prefix(
        whole.family, whole.value | 1 << (WIDTH[whole.family] - length), length
    )


def inside(prefix: Prefix, ranges: Ranges) -> Ranges:
    """The addresses of a set that are in a prefix."""
    low = bisect_left(ranges, prefix.value, key=lambda pair: pair[1])
    high = bisect_left(ranges, prefix.last + 1, key=lambda pair: pair[0])
    return tuple((max(first, prefix.value), min(last, prefix.last)) for first, last in ranges[low:high])
