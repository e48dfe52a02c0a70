"""Routes in the order in which they are looked up."""

from __future__ import annotations

from collections.abc import Sequence

from analyzer.facts.routes import RouteFact

Levels = tuple[tuple[int, dict[int, tuple[RouteFact, ...]]], ...]
"""Routes by prefix length, the longest first, and by the bits of their prefix."""


def levels(routes: Sequence[RouteFact], width: int) -> Levels:
    """Routes by prefix length and by the bits of their prefix."""
    found: dict[int, dict[int, list[RouteFact]]] = {}
    for route in routes:
        length = route.destination.length
        bits = route.destination.value >> (width - length)
        found.setdefault(length, {}).setdefault(bits, []).append(route)
    return tuple(
        (length, {bits: tuple(sorted(group, key=precedence)) for bits, group in by_bits.items()})
        for length, by_bits in sorted(found.items(), reverse=True)
    )


def precedence(route: RouteFact) -> tuple[int, int, int]:
    """The order of routes with one prefix: tos from high to low, metric, listing (fib_insert_alias in net/ipv4/fib_trie.c)."""
    return -route.tos, route.metric, route.order
