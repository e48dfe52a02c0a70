"""Tiers of policies folded over sets of flows: which peers each of them is admitted to or from, while one rule after the other is taken into account."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from analyzer.policy.bits import Sides
from analyzer.policy.tiers import Action


class Cell(NamedTuple):
    """Flows, and the peers to or from which they are admitted for sure, and may be."""

    flows: int
    sure: int
    may: int


class Applied(NamedTuple):
    """A policy that selects a subject: its tier's and its own number, of which policies that are tied it is one, for sure or perhaps."""

    tier: int
    policy: int
    tie: int
    certain: bool


@dataclass(slots=True)
class State:
    """The peers for which flows may still be undecided, may be admitted, denied, or wait for the next tier. Between policies that are tied:
    ``before`` was undecided before them, ``after`` after those that have been asked."""

    undecided: int
    allowed: int = 0
    denied: int = 0
    passed: int = 0
    before: int = 0
    after: int = 0

    def copy(self) -> State:
        """The same, apart."""
        return State(self.undecided, self.allowed, self.denied, self.passed, self.before, self.after)


class Fold:
    """The state of all flows while tiers are folded: sets of flows apart from each other, each with its state. ``decisions``: flows of which nothing is
    left to decide, by the peers to or from which they are admitted and denied: later rules need not look at them."""

    def __init__(self, flows: int, peers: int) -> None:
        self.states: list[tuple[int, State]] = [(flows, State(peers))]
        self.decisions: dict[Sides, int] = {}

    def parts(self, flows: int) -> Iterator[State]:
        """The states of the flows, after what is outside has been cut off."""
        for position in range(len(self.states)):
            have, state = self.states[position]
            common = have & flows
            if not common:
                continue
            if common != have:
                self.states.append((have & ~flows, state))
                state = state.copy()
                self.states[position] = (common, state)
            yield state

    def rule(self, action: Action, flows: int, peers: int) -> None:
        """What a rule may match."""
        for state in self.parts(flows):
            hit = state.undecided & peers
            if action is Action.ALLOW:
                state.allowed |= hit
            elif action is Action.DENY:
                state.denied |= hit
            else:
                state.passed |= hit

    def exactly(self, action: Action, flows: int, peers: int) -> None:
        """What a rule matches, where it is known: ``rule`` and ``decided`` at once."""
        for state in self.parts(flows):
            hit = state.undecided & peers
            state.undecided ^= hit
            if action is Action.ALLOW:
                state.allowed |= hit
            elif action is Action.DENY:
                state.denied |= hit
            else:
                state.passed |= hit

    def undecided(self, flows: int, peers: int) -> list[tuple[int, int]]:
        """Of the flows, to or from the peers, those that are still undecided: flows with their peers."""
        found = ((have & flows, state.undecided & peers) for have, state in self.states)
        return [part for part in found if part[0] and part[1]]

    def each_first(self, tied: list[Applied]) -> Iterator[Applied]:
        """Policies in their order; those that are tied are each asked as if they were the first of them."""
        if len(tied) == 1:
            yield tied[0]
            return
        for _, state in self.states:
            state.before = state.after = state.undecided
        for item in tied:
            yield item
            for _, state in self.states:
                state.after &= state.undecided
                state.undecided = state.before
        for _, state in self.states:
            state.undecided = state.after

    def decided(self, flows: int, peers: int) -> None:
        """What a rule matches for sure is no longer undecided."""
        for state in self.parts(flows):
            state.undecided &= ~peers

    def end(self, isolated: bool | None, end: Action) -> None:
        """The end of a tier."""
        for _, state in self.states:
            if end is Action.DENY and isolated is not False:
                state.denied |= state.undecided
                if isolated:
                    state.undecided = 0
            state.undecided |= state.passed
            state.passed = 0
        self.united()

    def united(self) -> None:
        """Flows with equal states are together from here on."""
        found: dict[tuple[int, int, int], tuple[int, State]] = {}
        for flows, state in self.states:
            if not state.undecided:
                sides = state.allowed, state.denied
                self.decisions[sides] = self.decisions.get(sides, 0) | flows
                continue
            key = state.undecided, state.allowed, state.denied
            found[key] = (found[key][0] | flows if key in found else flows, state)
        self.states = list(found.values())

    def cells(self, default: Action) -> list[Cell]:
        """The cells, what is left being decided by the plane's default."""
        found = []
        for flows, state in self.states:
            allowed = state.allowed | (state.undecided if default is Action.ALLOW else 0)
            denied = state.denied if default is Action.ALLOW else state.denied | state.undecided
            found.append(Cell(flows, allowed & ~denied, allowed))
        found += [Cell(flows, allowed & ~denied, allowed) for (allowed, denied), flows in self.decisions.items()]
        return found


def crossed(left: Iterable[Cell], right: list[Cell]) -> list[Cell]:
    """What both admit."""
    found = []
    for one in left:
        for other in right:
            if flows := one.flows & other.flows:
                found.append(Cell(flows, one.sure & other.sure, one.may & other.may))
    return found


def merged(cells: Iterable[Cell]) -> tuple[Cell, ...]:
    """Cells with equal peers as one; those without peers left out."""
    found: dict[Sides, int] = {}
    for flows, sure, may in cells:
        if may:
            found[sure, may] = found.get((sure, may), 0) | flows
    return tuple(sorted([Cell(flows, sure, may) for (sure, may), flows in found.items()]))
