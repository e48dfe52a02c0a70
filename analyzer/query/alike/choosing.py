"""Who stands for all: some nodes of each kind, and pods such that each two kinds that are anywhere on one node, or on two, are so among these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from analyzer.source import Scope

SEVERAL = 2
"""How many nodes of a kind, and how many nodes with a pod of a kind."""
Inside = Mapping[Scope, Mapping[int, Sequence[Scope]]]
"""The pods of each node by kind."""


def some_of(nodes: Mapping[int, Sequence[Scope]], inside: Inside) -> frozenset[Scope]:
    """Those who stand for all. ``nodes``: the nodes of each kind."""
    first = [home for homes in nodes.values() for home in homes[:SEVERAL]]
    kind = {home: number for number, homes in nodes.items() for home in homes}
    found = {*first, *pods_of(kind, inside, dict.fromkeys((*first, *kind)))}
    return frozenset(found | {Scope(one.node) for one in found})


def pods_of(kind: Mapping[Scope, int], inside: Inside, order: Mapping[Scope, None]) -> Iterator[Scope]:
    """The pods: on each node those of two kinds that were not on one node of its kind before, and those of a kind that was on few nodes so far."""
    met: set[tuple[int, int, int]] = set()
    on: dict[tuple[int, int], int] = {}
    mixes: set[object] = set()
    for home in order:
        own, held = kind[home], inside.get(home, {})
        mix = (own, frozenset((number, len(pods) > 1) for number, pods in held.items()))
        if mix in mixes and all(on[own, number] >= SEVERAL for number in held):
            continue
        mixes.add(mix)
        chosen = set(together(own, held, met))
        chosen |= {pods[0] for number, pods in held.items() if on.get((own, number), 0) < SEVERAL}
        for number, pods in held.items():
            on[own, number] = on.get((own, number), 0) + (not chosen.isdisjoint(pods))
        yield from chosen


def together(own: int, held: Mapping[int, Sequence[Scope]], met: set[tuple[int, int, int]]) -> Iterator[Scope]:
    """The pods of two kinds that were not met on one node."""
    for (one, pods), (other, others) in product(held.items(), held.items()):
        if (one != other or len(pods) > 1) and (own, one, other) not in met:
            met.add((own, one, other))
            yield pods[0]
            yield others[one == other]
