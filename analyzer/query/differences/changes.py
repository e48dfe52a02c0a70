"""One change between two inputs: a block of pairs, what passes before and after, and a flow that shows it; worked out when it is looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from analyzer.policy.atoms import Atoms
from analyzer.policy.joint import Couple, Joint
from analyzer.policy.terms import Kind
from analyzer.query.differences.blocks import Block, Sides
from analyzer.query.ends import Sizes, name_of_one, named
from analyzer.query.witness import Witness, address_of, flow_in, side
from analyzer.ranges import Ranges

Allowed = tuple[tuple[tuple[int, int], Ranges], ...]


class Change(StrEnum):
    """What becomes of the flows of a pair. UNDECIDED: they rest on conditions that are not known, and that are not the same on both sides."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Flows:
    """What one side admits between two ends: by protocols their ports, for sure and perhaps; ``everything``: all flows, for sure."""

    allowed: Allowed = ()
    unknown: Allowed = ()
    everything: bool = False


@dataclass(frozen=True, eq=False, repr=False)
class Changed:
    """From each of the sources to each of the destinations, but for pairs of which policies are not asked."""

    both: Joint
    block: Block
    sizes: Sizes
    families: tuple[int, ...] = field(default=(4,))

    @property
    def change(self) -> Change:
        """What becomes of the pairs."""
        if self.block.undecided:
            return Change.UNDECIDED
        if not self.block.old[1]:
            return Change.ADDED
        return Change.REMOVED if not self.block.new[1] else Change.CHANGED

    @property
    def because(self) -> str:
        """``appears`` or ``disappears`` where an end is there on one side only; empty where both stay."""
        if any(couple.old is None for couple in self.block.pair):
            return "appears"
        return "disappears" if any(couple.new is None for couple in self.block.pair) else ""

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """Who sends, by name (``ends.named``)."""
        return named(self.block.sources, self.sizes)

    @cached_property
    def destinations(self) -> tuple[str, ...]:
        """To whom, by name."""
        return named(self.block.destinations, self.sizes)

    @cached_property
    def old(self) -> Flows:
        """What passes before."""
        return flows(self.both.atoms, self.block.old)

    @cached_property
    def new(self) -> Flows:
        """What passes after."""
        return flows(self.both.atoms, self.block.new)

    @property
    def certain(self) -> bool:
        """Whether some flow is admitted for sure on the one side, and denied for sure on the other."""
        return bool(self.surely)

    @property
    def surely(self) -> int:
        """The flows that are so."""
        old, new = self.block.old, self.block.new
        return old[0] & ~new[1] | new[0] & ~old[1]

    @cached_property
    def witness(self) -> Witness:
        """The most ordinary flow that shows it, decided on both sides."""
        old, new = self.block.old, self.block.new
        mask = self.surely or (old[0] ^ new[0]) | (old[1] ^ new[1]) or old[1] & ~old[0]
        return witness(self.both, *self.block.pair, mask)

    @property
    def order(self) -> tuple[object, ...]:
        """Where it stands: changes between those that stay come first; then by their ends."""
        return self.because != "", self.because, list(Change).index(self.change), self.families, self.block.order

    def __repr__(self) -> str:
        return f"<{self.change}: {', '.join(self.sources)} -> {', '.join(self.destinations)}; {self.witness}>"


def flows(atoms: Atoms, sides: Sides) -> Flows:
    """Sets of bits as protocols and ports."""
    sure, may = sides
    return Flows(tuple(atoms.ports(sure)), tuple(atoms.ports(may & ~sure)), sure == atoms.all)


def witness(both: Joint, source: Couple, destination: Couple, mask: int) -> Witness:
    """The flow that shows a change between two."""
    family = both.new.universe.family
    flow = flow_in(both.atoms, mask, family, destination.known)
    return Witness(
        name_of(source),
        name_of(destination),
        address_of(source.known, family),
        address_of(destination.known, family),
        flow,
        side(both.old.policies, source.old, destination.old, flow),
        side(both.new.policies, source.new, destination.new, flow),
    )


def name_of(couple: Couple) -> str:
    """The name of one end."""
    return "outside" if couple.known.kind is Kind.OUTSIDE else name_of_one(couple.known)
