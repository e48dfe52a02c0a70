"""Questions to Z3 about all packets of some starts: is there one that leaves so?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from analyzer.solve.sets.regions import State
from analyzer.solve.smt.symbolic import Encoder
from analyzer.solve.smt.ways import Answer, Condition, Never, TooMuch, Unsettled, Way
from analyzer.transfer import ir

RLIMIT, WAYS = 20_000_000, 20_000
Question = tuple[Callable[[ir.Exit], bool], Sequence[Condition]]
"""The exit that is wanted, and what must hold of the packet there."""


class Leg(NamedTuple):
    """One packet of a conversation: what is asked about it, and the packets that follow where it leaves by an exit."""

    questions: Sequence[Question]
    onward: Callable[[Encoder, ir.Exit, Way], Iterable[tuple[ir.Point, Way]]]


def exists(
    program: ir.Program,
    starts: Iterable[tuple[ir.Point, State]],
    wanted: Callable[[ir.Exit], bool],
    where: Sequence[Condition] = (),
    rlimit: int = RLIMIT,
    ways: int = WAYS,
) -> Answer:
    """Whether some packet of the starts leaves by a wanted exit such that every condition of ``where`` holds. ``rlimit`` bounds the solver's
    work, ``ways`` the guarded states."""
    return answers(program, starts, ((wanted, where),), rlimit, ways)[0]


def answers(
    program: ir.Program,
    starts: Iterable[tuple[ir.Point, State]],
    questions: Sequence[Question],
    rlimit: int = RLIMIT,
    ways: int = WAYS,
) -> list[Answer]:
    """``exists`` for several questions about the same packets."""
    engine = Encoder(program, ways)
    try:
        return asked(engine, engine.explore(starts), questions, rlimit)
    except (TooMuch, RecursionError) as reason:
        return [Unsettled(str(reason)) for _ in questions]


def conversation(
    program: ir.Program, starts: Iterable[tuple[ir.Point, State]], legs: Sequence[Leg], rlimit: int = RLIMIT, ways: int = WAYS
) -> Iterator[list[Answer]]:
    """``answers`` to the questions about each packet of a conversation, of which the next starts where the one before it came. It ends where there
    is too much to tell apart."""
    engine = Encoder(program, ways)
    try:
        found = engine.explore(starts)
        for number, leg in enumerate(legs, 1):
            yield asked(engine, found, leg.questions, rlimit)
            engine.made = 0
            found = (
                engine.followed(one for left, way in found for one in leg.onward(engine, left, way)) if number < len(legs) else []
            )
    except (TooMuch, RecursionError):
        return


def asked(engine: Encoder, found: Sequence[tuple[ir.Exit, Way]], questions: Sequence[Question], rlimit: int) -> list[Answer]:
    """The answers about what leaves so: to all at once where they are all no, else one by one."""
    every = [[(way.guard, *engine.asked(way, where)) for left, way in found if wanted(left)] for wanted, where in questions]
    whole = engine.solve([parts for some in every for parts in some], rlimit)
    return [whole for _ in every] if isinstance(whole, Never) else [engine.solve(some, rlimit) for some in every]
