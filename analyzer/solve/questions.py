"""Questions to Z3 about all packets of some starts: is there one that leaves so?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from analyzer.solve.regions import State
from analyzer.solve.symbolic import Condition, Encoder
from analyzer.solve.symbolic_ways import Answer, TooMuch, Unsettled
from analyzer.transfer import ir

RLIMIT, WAYS = 20_000_000, 20_000
Question = tuple[Callable[[ir.Exit], bool], Sequence[Condition]]
"""The exit that is wanted, and what must hold of the packet there."""


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
        found = engine.explore(starts)
        return [
            engine.solve([(way.guard, *engine.asked(way, where)) for left, way in found if wanted(left)], rlimit)
            for wanted, where in questions
        ]
    except (TooMuch, RecursionError) as reason:
        return [Unsettled(str(reason)) for _ in questions]
