"""A compiled set with further positions: what policies say of entities that came or changed, without compiling all the rest again.

An entity that no policy tells from those of a class has the part of that class in every cell. Any other is *fresh*: all groups are folded for it
alone, and the groups of such subjects are folded anew. What comes out is the same as a full compile gives, position by position.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from analyzer.policy.atoms import Atoms
from analyzer.policy.bits import run
from analyzer.policy.classes import Mentioned, Sight, Universe, united
from analyzer.policy.edited import cut, refolded
from analyzer.policy.entities import Entity
from analyzer.policy.factors import Compiler, Factor, Factors, Key
from analyzer.policy.folding import Cell, merged
from analyzer.policy.planes import PolicySet
from analyzer.policy.tiers import Direction


@dataclass(frozen=True, slots=True)
class Further:
    """Who stands at a further position, None where nobody does, and the class that policies do not tell it from. Fresh ones stand behind all others."""

    entity: Entity | None
    like: int | None

    @property
    def fresh(self) -> bool:
        """Whether policies tell it from all that are there."""
        return self.entity is not None and self.like is None


class Homes:
    """The class of an entity, by what policies see of it."""

    def __init__(self, universe: Universe, seen: Mentioned) -> None:
        self.sight = Sight(seen, universe.blocks)
        self.known = {self.sight.of(item): place for place, item in enumerate(universe.classes) if not item.blocks}

    def now(self) -> Sight:
        """What sees further entities: labels are told by which object they are, and those of other entities need not be kept."""
        found = Sight(self.sight.seen, self.sight.blocks)
        found.same = self.sight.same
        return found


def ports_known(atoms: Atoms, entity: Entity) -> bool:
    """Whether the named ports of an entity, as policies see them, are told apart already."""
    starts = [(group.protocols, {65536, *group.destinations}) for group in atoms.groups]
    return all(
        any(first == last == port.protocol and cut(tuple(places), [(port.port, port.port)]) for (first, last), places in starts)
        for port in entity.ports
    )


def reshaped(base: Universe, shown: Sequence[Entity], members: Sequence[Sequence[Entity | None]], sight: Sight) -> Universe:
    """The universe with other members, and with further classes; ``shown`` stand for the classes of all positions."""
    further = shown[len(base.classes) :]
    classes = (*shown[: len(base.classes)], *(sight.with_ports(item) for item in further))
    here = tuple([tuple([item for item in group if item is not None]) for group in members])
    of = {entity.name: place for place, group in enumerate(here) for entity in group}
    inside = (*base.inside, *(sight.blocks_around(item) for item in further))
    return Universe(base.family, classes, here, of, base.blocks, inside)


def alone(wide: Universe, first: int) -> Universe:
    """The classes from one on, alone."""
    return Universe(wide.family, wide.classes[first:], wide.members[first:], {}, wide.blocks, wide.inside[first:])


def group_keys(factors: Factors, direction: Direction) -> tuple[Key, ...]:
    """What decides over each group."""
    factor = factors.egress if direction is Direction.EGRESS else factors.ingress
    compiler = Compiler(factors.policies.planes, factors.universe, factors.atoms, direction)
    found = dict(zip(factor.group, compiler.keys(), strict=True))
    return tuple(found.get(number, ((), (), ())) for number in range(len(factor.cells)))


def widened(
    factors: Factors, policies: PolicySet, wide: Universe, further: Sequence[Further], keys: Sequence[Sequence[Key]]
) -> Factors:
    """The compiled set over more positions. ``keys``: those of the groups of egress and of ingress, where somebody is fresh."""
    found = replace(factors, policies=policies, universe=wide)
    sides = [placed(factor, len(factors.universe.classes), further) for factor in (factors.egress, factors.ingress)]
    if keys:
        directions = (Direction.EGRESS, Direction.INGRESS)
        count = sum(item.fresh for item in further)
        sides = [with_fresh(found, *side, count) for side in zip(sides, keys, directions, strict=True)]
    return replace(found, egress=sides[0], ingress=sides[1])


def placed(factor: Factor, first: int, further: Sequence[Further]) -> Factor:
    """A direction with the further positions: each beside the class that it is like, others in a group of their own, which says nothing."""
    likes: dict[int, int] = {}
    group, classes = list(factor.group), [*factor.classes, 0]
    for position, item in enumerate(further, first):
        if item.like is not None:
            likes[item.like] = likes.get(item.like, 0) | 1 << position
        group.append(len(factor.classes) if item.like is None else factor.group[item.like])
        classes[group[-1]] |= 1 << position
    cells = [tuple([copied(cell, likes) for cell in cells]) for cells in factor.cells] if likes else factor.cells
    return Factor(tuple(group), tuple(classes), (*cells, ()))


def copied(cell: Cell, likes: dict[int, int]) -> Cell:
    """A cell with the positions that are like some of its peers."""
    flows, sure, may = cell
    for like, positions in likes.items():
        if may >> like & 1:
            may |= positions
            if sure >> like & 1:
                sure |= positions
    return Cell(flows, sure, may)


def with_fresh(factors: Factors, factor: Factor, keys: Sequence[Key], direction: Direction, count: int) -> Factor:
    """A direction with what it says of the last positions: as peers of all groups, and as subjects."""
    wide, planes = factors.universe, factors.policies.planes
    first = len(wide.classes) - count
    compiler = Compiler(planes, alone(wide, first), factors.atoms, direction)
    cells = [beside(old, compiler.cells(key), first) for old, key in zip(factor.cells, keys, strict=False)]
    found = replace(factor, cells=(*cells, *factor.cells[len(keys) :]))
    return refolded(factors, found, factors.policies, run(first, len(wide.classes) - 1), direction)


def beside(cells: tuple[Cell, ...], further: tuple[Cell, ...], first: int) -> tuple[Cell, ...]:
    """Cells with those of further positions, which begin at ``first``."""
    return merged(cell for cell in joined(cells, further, first) if cell.flows) if further else cells


def joined(cells: tuple[Cell, ...], further: tuple[Cell, ...], first: int) -> Iterator[Cell]:
    """The flows of either, in parts that both treat alike."""
    have = united(cell.flows for cell in cells)
    for flows, sure, may in further:
        yield Cell(flows & ~have, sure << first, may << first)
    for cell in cells:
        rest = cell.flows
        for flows, sure, may in further:
            yield Cell(rest & flows, cell.sure | sure << first, cell.may | may << first)
            rest &= ~flows
        yield Cell(rest, cell.sure, cell.may)
