"""Who may talk to whom: all that policies admit, as rectangles of endpoints (``analyze connectivity``).

A link says that each of its sources may reach each of its destinations. Endpoints that policies treat alike stand together in it, so that the
answer is about as long as the policies are. Addresses outside are CIDR ranges, as coarse as they can be for the link.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from analyzer.addresses import Prefix
from analyzer.display import heading, table
from analyzer.policy.entities import Entity
from analyzer.policy.terms import Kind
from analyzer.query.connectivity.allowed import Allow
from analyzer.query.connectivity.endpoints import Party, named, parties
from analyzer.query.connectivity.table import Label, Table, inside_rows, outside_columns, outside_rows
from analyzer.query.policies import Policies


@dataclass(frozen=True, slots=True)
class Focus:
    """What is asked about: everything, or from some entities, to some, on a port. ``per_pod``: pods are never merged; ``nodes``: as endpoints, too."""

    sources: tuple[Entity, ...] | None = None
    destinations: tuple[Entity, ...] | None = None
    protocol: str = ""
    port: int | None = None
    per_pod: bool = False
    nodes: bool = False


EVERYTHING = Focus()


@dataclass(frozen=True, slots=True)
class Link:
    """Each of the sources may send each of the destinations what is allowed: ids of endpoints, or CIDRs. ``family``: only in this one, where
    the ends speak both. ``why``: the reason for which it is not certain; empty where it is."""

    sources: tuple[str, ...]
    destinations: tuple[str, ...]
    allow: Allow
    family: int | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """One source and one destination of a link."""

    source: str
    destination: str
    link: Link


@dataclass(frozen=True, slots=True, repr=False)
class Connectivity:
    """The answer: the endpoints, what is admitted for sure, and what may be."""

    parties: tuple[Party, ...]
    links: tuple[Link, ...]
    uncertain: tuple[Link, ...]
    singles: frozenset[str] = field(default_factory=frozenset)

    def __repr__(self) -> str:
        return f"<connectivity: {len(self.parties)} endpoints, {len(self.links)} links, {len(self.uncertain)} uncertain>"

    def _repr_html_(self) -> str:
        """The answer as a notebook shows it: a row for each link."""
        heads, sure, doubtful = ("from", "to", "what passes"), map(row, self.links), map(row, self.uncertain)
        return heading(repr(self)[1:-1]) + table(heads, sure) + table((*heads, "why it is not certain"), doubtful)

    def pairs(self, links: tuple[Link, ...]) -> Iterator[Pair]:
        """The pairs of the links. One pod has none with itself: it always reaches itself."""
        for link in links:
            for source in link.sources:
                alone = source in self.singles
                yield from (Pair(source, other, link) for other in link.destinations if not (alone and other == source))


def row(link: Link) -> tuple[str, ...]:
    """A link in a table: who to whom, what, and why that is not certain."""
    flows = "; ".join("everything" if item.protocol == "ANY" else str(item) for item in link.allow)
    ends = ", ".join(link.sources), ", ".join(link.destinations)
    return (*ends, flows, link.why) if link.why else (*ends, flows)


def by_source(links: tuple[Link, ...]) -> Iterator[tuple[str, list[Link]]]:
    """The sources in order, each with its links."""
    found: dict[str, list[Link]] = {}
    for link in links:
        for name in link.sources:
            found.setdefault(name, []).append(link)
    yield from sorted(found.items(), key=lambda item: item[0])


def connectivity(policies: Policies, focus: Focus = EVERYTHING) -> Connectivity:
    """All that the policies admit, within the focus."""
    everyone = parties(policies, per_pod=focus.per_pod, nodes=focus.nodes or names_nodes(focus), apart=told_apart(focus))
    sources, destinations = sides_of(everyone, focus.sources), sides_of(everyone, focus.destinations)
    table = Table(policies, everyone, sources, destinations, focus.protocol, focus.port)
    links = [*inside_links(table), *outside_links(table)]
    sure = tuple(sorted((link for link in links if not link.why), key=order))
    doubtful = tuple(sorted((link for link in links if link.why), key=order))
    return Connectivity(everyone, sure, doubtful, frozenset(party.id for party in everyone if party.single))


def names_nodes(focus: Focus) -> bool:
    """Whether the focus is on a node."""
    return any(
        item.kind is Kind.HOST and not item.namespace for side in (focus.sources, focus.destinations) for item in side or ()
    )


def told_apart(focus: Focus) -> dict[str, int]:
    """A number for each entity that is in the focus, for the sides that it is on."""
    found: dict[str, int] = {}
    for number, side in enumerate((focus.sources, focus.destinations), 1):
        for entity in side or ():
            found[entity.name] = found.get(entity.name, 0) + number
    return found


def sides_of(everyone: tuple[Party, ...], side: tuple[Entity, ...] | None) -> tuple[int, tuple[Prefix, ...] | None]:
    """The endpoints of a side of the focus as bits, and the addresses outside (None: all)."""
    if side is None:
        return (1 << len(everyone)) - 1, None
    blocks = tuple(block for entity in side if entity.kind is Kind.OUTSIDE for block in entity.blocks)
    return named(everyone, side), blocks


def inside_links(table: Table) -> Iterator[Link]:
    """Links between endpoints: sources with the same rows together."""
    for sources, row in grouped(inside_rows(table)):
        for label, destinations in row:
            ends = table.ids(sources), table.ids(without_itself(table, sources, destinations))
            if ends[1]:
                yield Link(*ends, label.allow, label.family or None, label.why)


def outside_links(table: Table) -> Iterator[Link]:
    """Links to and from addresses outside."""
    for inside, row in grouped(outside_rows(table)):
        for label, blocks in row:
            networks = table.networks(blocks, label.family, table.destinations[1])
            yield Link(table.ids(inside), networks, label.allow, None, label.why)
    for inside, column in grouped(outside_columns(table)):
        for label, blocks in column:
            networks = table.networks(blocks, label.family, table.sources[1])
            yield Link(networks, table.ids(inside), label.allow, None, label.why)


def grouped(rows: list[dict[Label, int]]) -> Iterator[tuple[int, list[tuple[Label, int]]]]:
    """The numbers of equal rows as bits, with the row in order."""
    found: dict[tuple[tuple[Label, int], ...], int] = {}
    keys: dict[int, tuple[tuple[Label, int], ...]] = {}
    for number, row in enumerate(rows):
        key = keys.get(id(row))
        if key is None:
            key = keys[id(row)] = tuple(sorted(row.items()))
        found[key] = found.get(key, 0) | 1 << number
    yield from ((numbers, list(key)) for key, numbers in found.items())


def without_itself(table: Table, sources: int, destinations: int) -> int:
    """The destinations; of one source, without itself where it is one pod."""
    alone = sources & sources - 1 == 0 and table.parties[sources.bit_length() - 1].single
    return destinations & ~sources if alone else destinations


def order(link: Link) -> tuple[object, ...]:
    """Links in the order of their ends."""
    return link.sources, link.destinations, link.allow, link.family or 0, link.why
