"""Searches the two factors for pairs of classes that may, or may not, talk: in order, so that the first that is found is the canonical one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from typing import NamedTuple

from analyzer.policy.bits import members, set_of
from analyzer.policy.decision import doubt, exemption
from analyzer.policy.entities import Entity
from analyzer.policy.factors import Factors
from analyzer.policy.folding import Cell
from analyzer.policy.profiles import Profile
from analyzer.policy.terms import Kind
from analyzer.query.ask.sides import Side


class Want(Enum):
    """What is looked for. ADMITTED and REFUSED for sure; MAY_ADMIT and MAY_REFUSE at least perhaps. SILENT: a pair of which no flow is admitted,
    MAY_BE_SILENT: none for sure."""

    ADMITTED = auto()
    MAY_ADMIT = auto()
    REFUSED = auto()
    MAY_REFUSE = auto()
    SILENT = auto()
    MAY_BE_SILENT = auto()


class Pair(NamedTuple):
    """Two entities with flows between them that are as wanted."""

    source: Entity
    destination: Entity
    flows: int


class Rectangle(NamedTuple):
    """Classes of sources and of destinations, and flows."""

    sources: int
    destinations: int
    flows: int


@dataclass(frozen=True)
class Search:
    """What is asked: from some entities to others, about some flows. ``exempt``: whether what policies are not asked about counts;
    ``itself``: it is one pod that is asked about itself."""

    factors: Factors
    profile: Profile
    sources: Side
    targets: Side
    flows: int
    exempt: bool = True
    itself: bool = False

    @cached_property
    def source_groups(self) -> dict[int, list[int]]:
        """The classes of the sources by their groups of egress."""
        return self.sources.in_groups(self.factors.egress)

    @cached_property
    def target_groups(self) -> list[tuple[tuple[Cell, ...], int]]:
        """The cells of ingress of the targets' groups, with the classes."""
        groups = self.targets.in_groups(self.factors.ingress)
        return [(self.factors.ingress.cells[group], set_of(positions)) for group, positions in groups.items()]

    def first(self, want: Want) -> Pair | None:
        """The first pair, by source and destination."""
        found = next(self.pairs(want), None)
        if found is None and self.exempt and want in (Want.ADMITTED, Want.MAY_ADMIT):
            return next(self.exempted(perhaps=want is Want.MAY_ADMIT), None)
        return found

    def pairs(self, want: Want) -> Iterator[Pair]:
        """Every pair of classes with two entities that stand for it, in order."""
        if not self.flows:
            return
        by_group = self.source_groups
        of_group = {position: group for group, positions in by_group.items() for position in positions}
        dead: dict[int, bool] = {}
        for source in self.sources.members:
            group = of_group[source]
            if group not in dead:
                dead[group] = not any(True for _ in self.rectangles(want, group, set_of(by_group[group])))
            if not dead[group]:
                yield from self.of_source(want, group, source)

    def of_source(self, want: Want, group: int, source: int) -> Iterator[Pair]:
        """The pairs of a class of sources."""
        found = list(self.rectangles(want, group, 1 << source))
        reached = union(item.destinations for item in found)
        for destination in self.in_order(reached):
            flows = union(item.flows for item in found if item.destinations >> destination & 1)
            ends = self.ends(want, source, destination)
            if ends is not None:
                yield Pair(*ends, flows)

    def in_order(self, destinations: int) -> Iterable[int]:
        """Classes of destinations, the most ordinary first."""
        return [place for place in self.targets.members if destinations >> place & 1] if self.outside else members(destinations)

    @cached_property
    def outside(self) -> bool:
        """Whether some of the targets are outside."""
        return any(group[0].kind is Kind.OUTSIDE for group in self.targets.members.values())

    def rectangles(self, want: Want, group: int, sources: int) -> Iterator[Rectangle]:
        """What is as wanted, from classes of one group of egress; none of them is empty."""
        match want:
            case Want.ADMITTED | Want.MAY_ADMIT:
                yield from self.admitted(group, sources, want is Want.ADMITTED)
            case Want.REFUSED | Want.MAY_REFUSE:
                yield from self.refused(group, sources, want is Want.REFUSED)
            case Want.SILENT | Want.MAY_BE_SILENT:
                yield from self.silent(group, sources, want is Want.SILENT)

    def admitted(self, group: int, sources: int, sure: bool) -> Iterator[Rectangle]:
        """What both factors let pass."""
        for out in self.factors.egress.cells[group]:
            flows, toward = out.flows & self.flows, (out.sure if sure else out.may) & self.targets.bits
            if not flows or not toward:
                continue
            for cells, positions in self.target_groups:
                reached = positions & toward
                for into in cells if reached else ():
                    common, origins = flows & into.flows, (into.sure if sure else into.may) & sources
                    if common and origins:
                        yield Rectangle(origins, reached, common)

    def refused(self, group: int, sources: int, sure: bool) -> Iterator[Rectangle]:
        """What one of the factors stops."""
        for flows, stopped in stops(self.factors.egress.cells[group], self.flows, self.targets.bits, sure):
            yield Rectangle(sources, stopped, flows)
        for cells, positions in self.target_groups:
            for flows, stopped in stops(cells, self.flows, sources, sure):
                yield Rectangle(stopped, positions, flows)

    def silent(self, group: int, sources: int, sure: bool) -> Iterator[Rectangle]:
        """Pairs of classes between which none of the flows passes; for those not sure, none passes for sure."""
        for source in members(sources):
            reached = union(item.destinations for item in self.admitted(group, 1 << source, not sure))
            if left := self.targets.bits & ~reached:
                yield Rectangle(1 << source, left, self.flows)

    def ends(self, want: Want, source: int, destination: int) -> tuple[Entity, Entity] | None:
        """The first two entities of the classes about which policies are asked: no pod itself, no pod and its own node."""
        sure = want in (Want.REFUSED, Want.SILENT)
        negative = sure or want in (Want.MAY_REFUSE, Want.MAY_BE_SILENT)
        for one in self.sources.members[source]:
            for other in self.targets.members[destination]:
                if meets(one, other) and not (negative and self.spared(one, other, sure)):
                    return one, other
        return None

    def spared(self, source: Entity, destination: Entity, sure: bool) -> bool:
        """Whether the two are exempt from policies, or may be where only what is sure counts."""
        if exemption(self.profile, source, destination):
            return True
        return sure and doubt(self.profile, source, destination) is None

    def exempted(self, *, perhaps: bool) -> Iterator[Pair]:
        """Pods and the nodes they are on, which policies do not keep apart."""
        for one, other in self.neighbours():
            exempt = exemption(self.profile, one, other)
            if exempt or (perhaps and doubt(self.profile, one, other) is None):
                yield Pair(one, other, self.flows)

    def neighbours(self) -> Iterator[tuple[Entity, Entity]]:
        """Pods and nodes that share a node, or may; the one entity, where it is asked about itself."""
        sources, targets = self.sources.entities, self.targets.entities
        if self.itself and sources and targets:
            yield sources[0], targets[0]
        for left, right in ((Kind.POD, Kind.HOST), (Kind.HOST, Kind.POD)):
            by_node: dict[str, list[Entity]] = {}
            for entity in targets:
                if entity.kind is right:
                    by_node.setdefault(entity.node, []).append(entity)
            for entity in sources if by_node else ():
                if entity.kind is left:
                    places = by_node if not entity.node else dict.fromkeys((entity.node, ""))
                    yield from ((entity, other) for place in places for other in by_node.get(place, ()))


def stops(cells: tuple[Cell, ...], flows: int, peers: int, sure: bool) -> Iterator[tuple[int, int]]:
    """Flows with the peers to or from which cells do not let them pass; ``sure``: for sure not."""
    for cell in cells:
        if common := cell.flows & flows:
            flows &= ~common
            if stopped := peers & ~(cell.may if sure else cell.sure):
                yield common, stopped
    if flows and peers:
        yield flows, peers


def union(sets: Iterator[int]) -> int:
    """The union of sets of bits."""
    found = 0
    for item in sets:
        found |= item
    return found


def meets(source: Entity, destination: Entity) -> bool:
    """Whether a question about several is about these two: no pod and itself, unless it stands for several, and not two addresses outside."""
    if source.kind is Kind.OUTSIDE and destination.kind is Kind.OUTSIDE:
        return False
    return source is not destination or source.replicas > 1
