"""Rows of endpoints: for each of them the others that it may reach, by what is allowed, from the rows of classes of each family."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from analyzer.addresses import Prefix
from analyzer.policy.addressing import spanned
from analyzer.policy.bits import members
from analyzer.policy.decision import own_node_passes
from analyzer.policy.entities import Entity
from analyzer.policy.factors import Factors
from analyzer.policy.terms import Kind
from analyzer.query.connectivity.allowed import ANY, Allow, allowed, clipped
from analyzer.query.connectivity.endpoints import Party
from analyzer.query.connectivity.rectangles import Part, Row, columns, rows
from analyzer.query.policies import Policies
from analyzer.ranges import intersection, normalised

OWN_NODE = "whether the two are on one node is not known, or true of some of the pods: between a pod and its own node all passes"


class Label(NamedTuple):
    """What is allowed, why it is not certain (empty: it is), and the family; 0 where it is so in each that both ends speak."""

    allow: Allow
    why: str
    family: int


Rows = list[dict[Label, int]]
Side = tuple[int, tuple[Prefix, ...] | None]


@dataclass(frozen=True)
class Table:
    """The endpoints, and what of it is asked about: sources and destinations as bits with the addresses outside, a protocol and a port."""

    policies: Policies
    parties: tuple[Party, ...]
    sources: Side
    destinations: Side
    protocol: str = ""
    port: int | None = None
    words: dict[tuple[int, int], Allow] = field(default_factory=dict, repr=False)
    names: dict[int, tuple[str, ...]] = field(default_factory=dict, repr=False)

    @cached_property
    def sides(self) -> tuple[Family, ...]:
        """The families, each with its factors."""
        asked = {block.family for _, blocks in (self.sources, self.destinations) for block in blocks or ()}
        return tuple(Family(self, family) for family in sorted({*self.families, *asked}))

    @cached_property
    def families(self) -> tuple[int, ...]:
        """The families in which endpoints may talk to each other."""
        return self.policies.families()

    def allow(self, factors: Factors, flows: int) -> Allow:
        """Flows in words, no more of them than is asked about."""
        family = factors.universe.family
        found = self.words.get((family, flows))
        if found is None:
            found = allowed(factors.atoms, flows, family)
            found = self.words[family, flows] = clipped(found, self.protocol, self.port) if self.protocol else found
        return found

    def ids(self, parties: int) -> tuple[str, ...]:
        """The ids of endpoints; the parties stand in their order."""
        found = self.names.get(parties)
        if found is None:
            found = self.names[parties] = tuple(self.parties[number].id for number in members(parties))
        return found

    def networks(self, classes: int, family: int, within: tuple[Prefix, ...] | None) -> tuple[str, ...]:
        """The addresses of classes outside, as few CIDRs as can be."""
        side = next(item for item in self.sides if item.family == family)
        return side.networks(classes, within)


class Family:
    """The rows of one family."""

    def __init__(self, table: Table, family: int) -> None:
        self.table, self.family = table, family
        self.factors = table.policies.factors(family)
        universe = self.factors.universe
        self.outside = universe.kinds[Kind.OUTSIDE]
        self.elsewhere = table.policies.elsewhere(family)
        self.by_class = [0] * len(universe.classes)
        self.speaking = 0
        for number, party in enumerate(table.parties):
            if table.policies.speaks(party.entities[0], family):
                self.speaking |= 1 << number
                self.by_class[universe.of[party.entities[0].name]] |= 1 << number
        self.known: dict[int, int] = {}
        self.texts: dict[tuple[int, tuple[Prefix, ...] | None], tuple[str, ...]] = {}

    def parties(self, classes: int) -> int:
        """The endpoints of classes."""
        found = self.known.get(classes)
        if found is None:
            found = 0
            for number in members(classes):
                found |= self.by_class[number]
            self.known[classes] = found
        return found

    def classes(self, side: Side) -> int:
        """The classes that a side of the question is about."""
        chosen, blocks = side
        found = self.outside
        if blocks is not None:
            held = self.factors.universe.classes
            found = sum(1 << n for n in members(found) if any(b.overlaps(own) for b in blocks for own in held[n].blocks))
        for number, inside in enumerate(self.by_class):
            if inside & chosen:
                found |= 1 << number
        return found

    @cached_property
    def rows(self) -> list[tuple[int, list[tuple[Label, Part]]]]:
        """Classes of endpoints with their rows, flows in words; what is not asked about is left out."""
        sources = self.classes(self.table.sources) & ~self.outside
        return self.worded(rows(self.factors, sources, self.classes(self.table.destinations)))

    def columns(self) -> list[tuple[int, list[tuple[Label, Part]]]]:
        """Classes of endpoints with what of outside may send to them."""
        outside, inside = self.classes(self.table.sources) & self.outside, self.classes(self.table.destinations) & ~self.outside
        return self.worded(columns(self.factors, outside, inside))

    def worded(self, found: dict[Row, int]) -> list[tuple[int, list[tuple[Label, Part]]]]:
        """Rows with their classes, flows in words."""
        return [(classes, list(self.labelled(row))) for row, classes in found.items()]

    def labelled(self, row: Iterable[Part]) -> Iterator[tuple[Label, Part]]:
        """The parts of a row with their labels."""
        for part in row:
            if allow := self.table.allow(self.factors, part.flows):
                yield Label(allow, part.why, self.family), part

    def networks(self, classes: int, within: tuple[Prefix, ...] | None) -> tuple[str, ...]:
        """The addresses of classes outside."""
        found = self.texts.get((classes, within))
        if found is None:
            blocks = (block for number in members(classes) for block in self.factors.universe.classes[number].blocks)
            ranges = normalised((block.value, block.last) for block in blocks)
            if within is not None:
                ranges = intersection(ranges, normalised((b.value, b.last) for b in within if b.family == self.family))
            found = tuple(str(part) for low, high in ranges for part in spanned(self.family, low, high + 1))
            self.texts[classes, within] = found
        return found


def inside_rows(table: Table) -> Rows:
    """For each endpoint the endpoints that it may reach."""
    by_family = [rows_of(side, table) for side in table.sides if side.family in table.families]
    return with_own_nodes(table, by_family[0] if len(by_family) == 1 else combined(table, by_family))


def rows_of(side: Family, table: Table) -> Rows:
    """The rows of a family; endpoints of one row share it."""
    found: Rows = [{}] * len(table.parties)
    for sources, row in side.rows:
        here: dict[Label, int] = {}
        for label, part in row:
            label = label._replace(family=0) if len(table.families) == 1 else label
            if inside := side.parties(part.others & ~side.outside) & table.destinations[0]:
                here[label] = here.get(label, 0) | inside
        for number in members(side.parties(sources & ~side.outside) & table.sources[0]):
            found[number] = here
    return found


def combined(table: Table, by_family: list[Rows]) -> Rows:
    """The rows of two families as one: what is so in both, or in the only one that both ends speak, has no family."""
    first, second = (side.speaking for side in table.sides[:2])
    found: Rows = []
    for number, (one, other) in enumerate(zip(*by_family, strict=True)):
        both = first & second if (first & second) >> number & 1 else 0
        here: dict[Label, int] = {}
        for mine, others in ((one, other), (other, one)):
            for label, inside in mine.items():
                opposite = label._replace(family=10 - label.family)
                common = inside & (others.get(opposite, 0) | ~both)
                for key, bits in ((label._replace(family=0), common), (label, inside & ~common)):
                    if bits:
                        here[key] = here.get(key, 0) | bits
        found.append(here)
    return found


def with_own_nodes(table: Table, found: Rows) -> Rows:
    """The rows with what passes between a pod and its own node whatever policies say."""
    hosts = [(number, party) for number, party in enumerate(table.parties) if party.host]
    if not hosts:
        return found
    changed: dict[int, tuple[int, int]] = {}
    for number, party in enumerate(table.parties):
        for host_number, host in hosts:
            if party.host:
                continue
            for source, destination, from_ in ((number, host_number, party), (host_number, number, host)):
                share = shares(table, from_.entities[0], party, host)
                sure, may = changed.get(source, (0, 0))
                changed[source] = (
                    sure | (1 << destination if share is True else 0),
                    may | (1 << destination if share is None else 0),
                )
    return [exempted(table, row, number, *changed.get(number, (0, 0))) for number, row in enumerate(found)]


def shares(table: Table, source: Entity, party: Party, host: Party) -> bool | None:
    """Whether traffic from the source passes because the pods are on the host's node: all of them, none (False), or it is not known or differs."""
    passes = own_node_passes(table.policies.profile, source)
    if passes is False:
        return False
    nodes = {(pod.node, other.node) for pod in party.entities for other in host.entities}
    if all(one and other and one != other for one, other in nodes):
        return False
    return True if passes and all(one and one == other for one, other in nodes) else None


def exempted(table: Table, row: dict[Label, int], number: int, sure: int, may: int) -> dict[Label, int]:
    """A row with endpoints to which everything passes for sure, and to which it may."""
    if not table.sources[0] >> number & 1:
        return row
    sure, may = sure & table.destinations[0], may & table.destinations[0]
    whole = ANY if not table.protocol else clipped(ANY, table.protocol, table.port)
    found = {label: rest for label, bits in row.items() if (rest := bits & ~sure & ~(may if label.why else 0))}
    may &= ~found.get(Label(whole, "", 0), 0)
    for label, bits in ((Label(whole, "", 0), sure), (Label(whole, OWN_NODE, 0), may)):
        if bits:
            found[label] = found.get(label, 0) | bits
    return found


def outside_rows(table: Table) -> Rows:
    """For each endpoint the classes of addresses outside that it may reach, in all families."""
    return gathered(table, ((side, side.rows, table.sources[0]) for side in table.sides))


def outside_columns(table: Table) -> Rows:
    """For each endpoint the classes of addresses outside from which it may be reached, in all families."""
    return gathered(table, ((side, side.columns(), table.destinations[0]) for side in table.sides))


def gathered(table: Table, found: Iterable[tuple[Family, list[tuple[int, list[tuple[Label, Part]]]], int]]) -> Rows:
    """For each of the endpoints asked about the classes outside, by label; not those that nobody outside is in."""
    result: Rows = [{}] * len(table.parties)
    for side, every, asked in found:
        for classes, row in every:
            here: dict[Label, int] = {}
            for label, part in row:
                if outside := part.others & side.outside:
                    here[label] = here.get(label, 0) | outside
            here = {label: outside for label, outside in here.items() if outside & side.elsewhere}
            for number in members(side.parties(classes) & asked) if here else ():
                result[number] = {**result[number], **here} if result[number] else here
    return result
