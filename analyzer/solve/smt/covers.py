"""Whether fewer policies could say the same, decided by Z3: subjects of policies and what these admit, as choices of true and false.

A *board* has subjects, each of a room; ends, of which the first are the subjects; and kinds of flows. What is wanted is a set of bits for each pair: which
kinds of flows pass. A policy stands in a room, is about some of its subjects, and of those that it is about it says, for one way or both, which ends and
flows are admitted: nothing else is, unless another policy that is about them admits it. A flow passes where both its ends let it pass, those with policies
for the way by these. That is what NetworkPolicies can say at the most: that peers, blocks and ports can say it is not asked, so that "no" holds for them,
too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Literal

import z3

from analyzer.solve.smt.boards import Board, Cover, Pair

SEED = 7
# The work that is done before it is given up, in the solver's own measure: some seconds, and the same on every machine.
WORK = 40_000_000


def fewer(board: Board, most: int) -> bool | None:
    """Whether so many policies can say what is wanted; None where it was given up."""
    found = covers(board, most)
    return found if found is None else found is not False


def covers(board: Board, most: int) -> tuple[Cover, ...] | Literal[False] | None:
    """So many policies that say what is wanted; False where there are none, None where it was given up."""
    solver = z3.Solver()
    solver.set("random_seed", SEED)
    solver.set("rlimit", WORK)
    slots = [
        Slot(room, number, board) for room in sorted(set(board.rooms)) for number in range(min(most, board.rooms.count(room)))
    ]
    if slots:
        solver.add(z3.AtMost(*(slot.used for slot in slots), most))
    for before, after in pairwise(slots):
        if before.room == after.room:
            solver.add(z3.Implies(after.used, before.used))
    for slot in slots:
        solver.add(*(z3.Implies(about, slot.used) for about in slot.about.values()), *selecting(slot, board))
    for pair, flows in board.wanted.items():
        for flow in range(board.flows):
            sides = [passes(slots, board, pair, flow, outwards=outwards) for outwards in (True, False)]
            solver.add(z3.And(*sides) if flows >> flow & 1 else z3.Not(z3.And(*sides)))
    answer = solver.check()
    if answer != z3.sat:
        return False if answer == z3.unsat else None
    model = solver.model()
    return tuple(slot.cover(model, board) for slot in slots if z3.is_true(model.eval(slot.used)))


def selecting(slot: Slot, board: Board) -> Iterator[z3.BoolRef]:
    """Whom a conjunction about labels selects as well: who has, of each label, the value of one that it selects, or lacks it as one does."""
    keys = sorted({key for own in board.labels for key in own})
    for place, about in slot.about.items() if board.labels else ():
        own = board.labels[place]
        alike = ([other for one, other in slot.about.items() if board.labels[one].get(key) == own.get(key)] for key in keys)
        yield z3.Implies(z3.And(slot.used, z3.Or(*slot.about.values()), *(z3.Or(*some) for some in alike)), about)


class Slot:
    """A policy that could be: whether there is one, whom it is about, for which ways, and what it admits."""

    def __init__(self, room: str, number: int, board: Board) -> None:
        self.room, self.name = room, f"{room}/{number}"
        self.used = z3.Bool(f"{self.name} used")
        self.about = {place: z3.Bool(f"{self.name} about {place}") for place, own in enumerate(board.rooms) if own == room}
        self.ways = {outwards: z3.Bool(f"{self.name} {outwards}") for outwards in (True, False)}

    def cover(self, model: z3.ModelRef, board: Board) -> Cover:
        """What a model makes of it."""
        about = tuple(place for place, chosen in self.about.items() if z3.is_true(model.eval(chosen)))
        return Cover(about, *(self.way(model, board, outwards=outwards) for outwards in (True, False)))

    def way(self, model: z3.ModelRef, board: Board, *, outwards: bool) -> Mapping[int, int] | None:
        """What it admits one way, in a model."""
        if not z3.is_true(model.eval(self.ways[outwards])):
            return None
        ends = sorted({end for pair in board.wanted for end in pair})
        kinds = range(board.flows)
        return {
            end: sum(1 << flow for flow in kinds if z3.is_true(model.eval(self.admits(end, flow, outwards=outwards))))
            for end in ends
        }

    def admits(self, end: int, flow: int, *, outwards: bool) -> z3.BoolRef:
        """Whether it admits a flow to or from an end."""
        return z3.Bool(f"{self.name} {outwards} {end} {flow}")


def passes(slots: Sequence[Slot], board: Board, pair: Pair, flow: int, *, outwards: bool) -> z3.BoolRef:
    """Whether an end of a pair lets a flow pass; what is no subject always does."""
    own, other = pair if outwards else reversed(pair)
    if own >= len(board.rooms):
        return z3.BoolVal(True)
    here = [(slot, z3.And(slot.about[own], slot.ways[outwards])) for slot in slots if slot.room == board.rooms[own]]
    closed = z3.Or(*(asked for _, asked in here))
    return z3.Or(z3.Not(closed), *(z3.And(asked, slot.admits(other, flow, outwards=outwards)) for slot, asked in here))
