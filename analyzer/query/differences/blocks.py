"""The rectangles of two compared sets (``policy/comparing.py``) as blocks of ends of which policies are asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge

from analyzer.policy.atoms import Atoms
from analyzer.policy.bits import members
from analyzer.policy.comparing import Rectangle, one_sided, rectangles
from analyzer.policy.decision import doubt, exemption
from analyzer.policy.entities import Entity
from analyzer.policy.joint import Couple, Joint
from analyzer.policy.profiles import Profile
from analyzer.policy.terms import Kind
from analyzer.query.differences.opaque import open_differently

Sides = tuple[int, int]
Standing = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Crowd:
    """Couples: all of some positions, and further ones of positions of which not all belong here. ``moved`` as in ``Joint``."""

    members: tuple[tuple[Couple, ...], ...]
    positions: int
    further: tuple[Couple, ...]
    moved: int = 0

    def __iter__(self) -> Iterator[Couple]:
        moved = self.positions & self.moved
        positions = members(self.positions) if not moved else in_order(self.members, self.positions & ~moved, moved)
        for position in positions:
            yield from self.members[position]
        yield from self.further


def in_order(groups: tuple[tuple[Couple, ...], ...], standing: int, moved: int) -> Iterator[int]:
    """Positions in the order of their first couples, of which those that have not moved stand in it."""

    def where(position: int) -> tuple[bool, str, str]:
        return place(groups[position][0].known)

    return merge(members(standing), sorted(members(moved), key=where), key=where)


@dataclass(frozen=True, slots=True)
class Block:
    """From each of the sources to each of the destinations, the flows of both sides as sets of bits; ``pair`` are the first two of whom
    policies are asked."""

    sources: Crowd
    destinations: Crowd
    old: Sides
    new: Sides
    pair: tuple[Couple, Couple]
    undecided: bool = False

    @property
    def order(self) -> tuple[object, ...]:
        """Where it stands among others: by its first ends, pods before nodes before the outside."""
        return *(place(couple.known) for couple in self.pair), self.old, self.new


def place(entity: Entity) -> tuple[bool, str, str]:
    """Where an entity stands among others, as in ``universe_of``."""
    return entity.kind is not Kind.POD, entity.namespace, entity.name


class Standings:
    """The positions by what the rules about a pod and its node look at; those whose couples differ in it stand apart."""

    def __init__(self, both: Joint) -> None:
        self.members, self.moved = both.members, both.moved
        self.whole: dict[Standing, int] = {}
        mixed: dict[int, dict[Standing, list[Couple]]] = {}
        for position, group in enumerate(both.members):
            kinds: dict[Standing, list[Couple]] = {}
            for couple in group:
                kinds.setdefault((standing(couple.old), standing(couple.new)), []).append(couple)
            if len(kinds) == 1:
                key = next(iter(kinds))
                self.whole[key] = self.whole.get(key, 0) | 1 << position
            elif kinds:
                mixed[position] = kinds
        self.mixed = dict(sorted(mixed.items(), key=lambda item: place(both.members[item[0]][0].known))) if both.moved else mixed

    def crowds(self, positions: int) -> Iterator[Crowd]:
        """The couples at the positions, those together that stand alike."""
        further: dict[Standing, list[Couple]] = {}
        for position in self.mixed:
            if positions >> position & 1:
                for key, couples in self.mixed[position].items():
                    further.setdefault(key, []).extend(couples)
        for key in dict.fromkeys((*self.whole, *further)):
            inside = positions & self.whole.get(key, 0)
            if inside or key in further:
                yield Crowd(self.members, inside, tuple(further.get(key, ())), self.moved)


def standing(entity: Entity | None) -> tuple[str, bool]:
    """What the rules about a pod and its node look at."""
    return ("", False) if entity is None else (entity.kind.value, bool(entity.node))


def blocks(both: Joint, standings: Standings | None = None) -> Iterator[Block]:
    """Whatever differs. ``standings``: those of the joint, where they are known."""
    known = standings or Standings(both)
    for undecided, found in ((False, rectangles(both)), (False, one_sided(both)), (True, open_differently(both))):
        for rectangle in found:
            yield from settled(both, known, rectangle, undecided)


def settled(both: Joint, standings: Standings, rectangle: Rectangle, undecided: bool) -> Iterator[Block]:
    """A rectangle without the pairs that policies are not asked about; where it is not known whether they are, all flows may pass."""
    for sources in standings.crowds(rectangle.sources):
        for destinations in standings.crowds(rectangle.destinations):
            source, destination = next(iter(sources)), next(iter(destinations))
            old = opened(both.old.policies.world.profile, source.old, destination.old, rectangle.old, both.atoms)
            new = opened(both.new.policies.world.profile, source.new, destination.new, rectangle.new, both.atoms)
            pair = first_pair(both, sources, destinations) if old != new or undecided else None
            if pair is not None:
                yield Block(sources, destinations, old, new, pair, undecided)


def opened(profile: Profile, source: Entity | None, destination: Entity | None, flows: Sides, atoms: Atoms) -> Sides:
    """The flows, with all others that may pass where it is not known whether a pod is on a node."""
    if source is None or destination is None or (source.node and destination.node):
        return flows
    return flows if doubt(profile, source, destination) is False else (flows[0], atoms.all)


def first_pair(both: Joint, sources: Crowd, destinations: Crowd) -> tuple[Couple, Couple] | None:
    """The first two of which policies are asked."""
    for source in sources:
        for destination in destinations:
            if asked(both, source, destination):
                return source, destination
    return None


def asked(both: Joint, source: Couple, destination: Couple) -> bool:
    """Whether policies are asked about the two, on each side that has both, and as surely on the one side as on the other: on which node a pod
    runs is no matter of policies."""
    doubts = set()
    for factors, one, other in ((both.old, source.old, destination.old), (both.new, source.new, destination.new)):
        if one is not None and other is not None:
            profile = factors.policies.world.profile
            doubts.add(doubt(profile, one, other))
            shared = bool(one.node) and one.node == other.node
            if exemption(profile, one, other) or (shared and None in doubts):
                return False
    return len(doubts) < 2
