"""What two sides of one universe (``joint.py``) admit differently: rectangles of positions, and what each side admits between them.

Only groups whose cells differ are looked at, and of the pairs of groups only those that the difference concerns: a pair differs
where what leaves its source or what enters its destination does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from analyzer.policy.bits import members
from analyzer.policy.factors import Factor
from analyzer.policy.folding import Cell
from analyzer.policy.joint import Joint

Sides = tuple[int, int]
NOTHING: Sides = (0, 0)
FEW = 256


class Rectangle(NamedTuple):
    """From each of the sources to each of the destinations: the flows that are admitted for sure, and that may be, on each side."""

    sources: int
    destinations: int
    old: Sides
    new: Sides


class Part(NamedTuple):
    """Peers of a group, and the flows that the group's direction admits to or from them on each side."""

    peers: int
    old: Sides
    new: Sides


Pair = tuple[int, int]


@dataclass(slots=True)
class Groups:
    """The groups of one direction on both sides at once, by their numbers on each. ``within``: the subjects, ``peers``: the other ends,
    ``touched``: the only subjects that can differ."""

    old: Factor
    new: Factor
    within: int
    peers: int
    touched: int
    memory: dict[Pair, list[Part]] = field(default_factory=dict)
    known: dict[Pair, int] = field(default_factory=dict)

    def of(self, position: int) -> Pair:
        """The group of a position."""
        return self.old.group[position], self.new.group[position]

    def positions(self, pair: Pair) -> int:
        """The positions of a group."""
        return self.old.classes[pair[0]] & self.new.classes[pair[1]] & self.within

    def all(self) -> dict[Pair, int]:
        """Every group, with its positions."""
        if not self.known:
            if self.old is self.new:
                here = (((number, number), classes & self.within) for number, classes in enumerate(self.old.classes))
            else:
                pairs = dict.fromkeys(zip(self.old.group, self.new.group, strict=True))
                here = ((pair, self.positions(pair)) for pair in pairs)
            self.known = {pair: positions for pair, positions in here if positions}
        return self.known

    def changed(self) -> Iterator[Pair]:
        """The groups whose cells differ."""
        if self.old is not self.new:
            found = (
                self.all() if self.touched == self.within else dict.fromkeys(map(self.of, members(self.touched & self.within)))
            )
            yield from (pair for pair in found if self.old.cells[pair[0]] != self.new.cells[pair[1]])

    def parts(self, pair: Pair) -> list[Part]:
        """The peers of a group by what is admitted to or from them."""
        found = self.memory.get(pair)
        if found is None:
            found = self.memory[pair] = parts(self.old.cells[pair[0]], self.new.cells[pair[1]], self.peers)
        return found

    def among(self, pair: Pair, peers: int) -> list[Part]:
        """The same of some of the peers; of few it is not worth remembering."""
        if pair in self.memory or peers.bit_count() > FEW:
            return self.parts(pair)
        return parts(self.old.cells[pair[0]], self.new.cells[pair[1]], self.peers & peers)

    def touching(self, peers: int, others: int = 0) -> Iterable[Pair]:
        """The groups that have a position among the peers. ``others``: only those matter to or from which something may be admitted."""
        peers &= self.within
        if peers.bit_count() <= FEW:
            return dict.fromkeys(map(self.of, members(peers)))
        if 0 < others.bit_count() <= FEW >> 4 and (self.old is self.new or self.touched != self.within):
            return [pair for pair in self.admitting(others) if self.positions(pair) & peers]
        return [pair for pair, positions in self.all().items() if positions & peers]

    def admitting(self, others: int) -> dict[Pair, None]:
        """The groups that may be admitted something to or from the others, with those that were folded anew."""
        found = {(number, number): None for position in members(others) for number in self.old.admitting(position)}
        if self.old is not self.new:
            found |= dict.fromkeys(map(self.of, members(self.touched & self.within)))
        return found


def parts(old: tuple[Cell, ...], new: tuple[Cell, ...], within: int) -> list[Part]:
    """The peers in parts to which the cells of both sides are the same."""
    if old is new:
        return [Part(peers, sides, sides) for peers, sides in sorted(one_side(old, within))]
    found = {within: (NOTHING, NOTHING)}
    for side, cells in enumerate((old, new)):
        for cell in cells:
            if not cell.may & within:
                continue
            split: dict[int, tuple[Sides, Sides]] = {}
            for peers, sides in found.items():
                for inside, added in (
                    (peers & cell.sure, (cell.flows, cell.flows)),
                    (peers & cell.may & ~cell.sure, (0, cell.flows)),
                    (peers & ~cell.may, NOTHING),
                ):
                    if inside:
                        split[inside] = both(sides, side, added)
            found = split
    if len(found) == 1:
        return [Part(within, *found[within])]
    return [Part(peers, *sides) for peers, sides in sorted(united(found).items())]


def one_side(cells: tuple[Cell, ...], within: int) -> Iterable[tuple[int, Sides]]:
    """The same of one side: the peers in parts, with the flows that are admitted for sure, and that may be."""
    parted = {within: NOTHING}
    for flows, sure, may in cells:
        if may & within:
            parted = dict(split(parted, flows, sure, may))
    if len(parted) == 1:
        return parted.items()
    peers: dict[Sides, int] = {}
    for part, sides in parted.items():
        peers[sides] = peers.get(sides, 0) | part
    return [(part, sides) for sides, part in peers.items()]


def split(parted: dict[int, Sides], flows: int, sure: int, may: int) -> Iterator[tuple[int, Sides]]:
    """Parts of peers, and what is admitted to or from them once the flows of a cell are."""
    for peers, (known, possible) in parted.items():
        inside = peers & sure
        if inside:
            yield inside, (known | flows, possible | flows)
        if inside == peers:
            continue
        perhaps = (peers & may) ^ inside
        if perhaps:
            yield perhaps, (known, possible | flows)
        if rest := peers ^ inside ^ perhaps:
            yield rest, (known, possible)


def both(sides: tuple[Sides, Sides], side: int, added: Sides) -> tuple[Sides, Sides]:
    """The flows of both sides, with more on one of them."""
    have = sides[side]
    more = (have[0] | added[0], have[1] | added[1])
    return (sides[0], more) if side else (more, sides[1])


def united(found: dict[int, tuple[Sides, Sides]]) -> dict[int, tuple[Sides, Sides]]:
    """Parts with the same flows as one."""
    peers: dict[tuple[Sides, Sides], int] = {}
    for part, sides in found.items():
        peers[sides] = peers.get(sides, 0) | part
    return {part: sides for sides, part in peers.items()}


def both_groups(joint: Joint) -> tuple[Groups, Groups]:
    """The groups of both directions, of those who are there on both sides."""
    here = joint.staying
    out, into = joint.touched or (here, here)
    return (
        Groups(joint.old.egress, joint.new.egress, here, here, out),
        Groups(joint.old.ingress, joint.new.ingress, here, here, into),
    )


def rectangles(joint: Joint) -> list[Rectangle]:
    """What differs between those who are there on both sides, united where it is the same."""
    egress, ingress = both_groups(joint)
    return merged([*leaving(egress, ingress), *entering(egress, ingress)])


def leaving(egress: Groups, ingress: Groups) -> Iterator[Rectangle]:
    """Where what leaves the source differs."""
    for source in egress.changed():
        here = egress.positions(source)
        for part in egress.parts(source):
            if part.old == part.new:
                continue
            for destination in ingress.touching(part.peers, here):
                for other in ingress.among(destination, here):
                    yield from crossed(here, ingress.positions(destination), part, other)


def entering(egress: Groups, ingress: Groups) -> Iterator[Rectangle]:
    """Where only what enters the destination differs."""
    for destination in ingress.changed():
        here = ingress.positions(destination)
        for other in ingress.parts(destination):
            if other.old == other.new:
                continue
            for source in egress.touching(other.peers, here):
                for part in egress.among(source, here):
                    if part.old == part.new:
                        yield from crossed(egress.positions(source), here, part, other)


def crossed(sources: int, destinations: int, out: Part, into: Part) -> Iterator[Rectangle]:
    """The rectangle of two parts, where the flows that both directions admit differ."""
    old = (out.old[0] & into.old[0], out.old[1] & into.old[1])
    new = (out.new[0] & into.new[0], out.new[1] & into.new[1])
    if old != new:
        sources &= into.peers
        destinations &= out.peers
        if sources and destinations:
            yield Rectangle(sources, destinations, old, new)


def one_sided(joint: Joint) -> list[Rectangle]:
    """What those who are there on one side only have with all others, and with each other."""
    found: list[Rectangle] = []
    for side, alone in ((joint.new, joint.appearing), (joint.old, joint.disappearing)):
        if not alone:
            continue
        rest = joint.staying
        for sources, destinations in ((alone, rest | alone), (rest, alone)):
            egress = Groups(side.egress, side.egress, sources, destinations, sources)
            ingress = Groups(side.ingress, side.ingress, destinations, sources, destinations)
            for rectangle in full(egress, ingress):
                lost = side is joint.old
                found.append(rectangle._replace(new=NOTHING) if lost else rectangle._replace(old=NOTHING))
    return merged(found)


def full(egress: Groups, ingress: Groups) -> Iterator[Rectangle]:
    """What is admitted, or may be, between all, of one side given twice: also nothing, as policies may not be asked."""
    for source in egress.all():
        for part in egress.parts(source):
            for destination in ingress.touching(part.peers):
                for other in ingress.parts(destination):
                    inside = egress.positions(source) & other.peers, ingress.positions(destination) & part.peers
                    flows = part.old[0] & other.old[0], part.old[1] & other.old[1]
                    if all(inside):
                        yield Rectangle(*inside, flows, flows)


def merged(found: Iterable[Rectangle]) -> list[Rectangle]:
    """Rectangles with equal flows and an equal side as one, in order."""
    by_sources: dict[tuple[int, Sides, Sides], int] = {}
    for item in found:
        key = (item.sources, item.old, item.new)
        by_sources[key] = by_sources.get(key, 0) | item.destinations
    by_destinations: dict[tuple[int, Sides, Sides], int] = {}
    for (sources, old, new), destinations in by_sources.items():
        other = (destinations, old, new)
        by_destinations[other] = by_destinations.get(other, 0) | sources
    result = [Rectangle(sources, *key) for key, sources in by_destinations.items()]
    return sorted(result, key=lambda item: (lowest(item.sources), lowest(item.destinations), item))


def lowest(bits: int) -> int:
    """The lowest position."""
    return (bits & -bits).bit_length()
