"""Weave's ring: who owns which addresses, as each captured peer sees it (weaveworks/weave ipam/ring/ring.go).

The ring is cut at tokens; each part belongs to the peer at its token, up to the next. All peers see the same ring once they have talked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.addresses import Address, Prefix
from analyzer.facts.weave import ConnectionStateFact, RingEntryFact, RingFact
from analyzer.model.network import Network
from analyzer.model.routers import Router

__all__ = ["ConnectionStateFact", "RingEntryFact", "RingFact", "Router"]


@dataclass(frozen=True, slots=True)
class Ring:
    """The ring as the peer of one node sees it, its parts by first address."""

    node: str
    fact: RingFact
    parts: tuple[RingEntryFact, ...]

    def owner(self, address: Address) -> RingEntryFact | None:
        """The part that holds an address."""
        found = [
            part
            for part in self.parts
            if part.first is not None and part.first.family == address.family and part.first.value <= address.value
        ]
        last = found[-1] if found else None
        held = last is not None and last.first is not None and address.value < last.first.value + last.size
        return last if held else None


def rings(network: Network) -> Iterator[Ring]:
    """The rings of all captured peers whose reports were understood."""
    for node, router in sorted(network.routers.items()):
        if router.rings and "weave-report" not in router.lost:
            parts = sorted(
                (part for part in router.shares if part.first is not None), key=lambda part: part.first or Address(4, 0)
            )
            yield Ring(node, router.rings[0], tuple(parts))


def shares(router: Router) -> dict[str, list[RingEntryFact]]:
    """The parts of the ring by peer: those of the report, else those of ``weave status ipam``, which says the same in sums."""
    exact = [part for part in router.shares if part.first is not None] or list(router.shares)
    found: dict[str, list[RingEntryFact]] = {}
    for part in exact:
        found.setdefault(part.peer, []).append(part)
    return found


def size(network: Prefix) -> int:
    """How many addresses a network has."""
    return network.last - network.value + 1
