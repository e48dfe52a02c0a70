"""Asks Z3 what policies decide where something is open (``labels.py``): QF_FD, in a context of its own, bounded by work and not by time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from analyzer.policy.entities import Flow
from analyzer.policy.planes import PolicySet
from analyzer.policy.possible import Value, Variable
from analyzer.policy.terms import Box
from analyzer.solve.smt.labels import Encoder, Frame, Sought, box, conjunction, disjunction, number, variable_name, width_of

RLIMIT = 100_000_000
PREFERRED = (6, 17, 132, 1, 58)


@dataclass(frozen=True, slots=True)
class Example:
    """What is looked for is there: in which frame, with which values. The least one, where that was asked for."""

    frame: int
    assignment: dict[Variable, Value]
    flow: Flow


@dataclass(frozen=True, slots=True)
class NoExample:
    """It is proved that there is none."""


@dataclass(frozen=True, slots=True)
class GaveUp:
    """The solver did not finish within its limit."""

    reason: str


Found: TypeAlias = Example | NoExample | GaveUp


def exists(
    policies: PolicySet,
    frames: Sequence[Frame],
    flows: tuple[Box, ...],
    family: int,
    sought: Sought,
    *,
    least: bool = False,
    usual: Sequence[tuple[int, int]] = (),
    rlimit: int = RLIMIT,
) -> Found:
    """Whether there is a flow as it is sought, between the ends of one of the frames. ``least``: the first frame, the
    most ordinary flow (``usual`` are ports and protocols that come first), and the most ordinary values."""
    import z3

    encoder = Encoder(policies, family)
    bits = max(1, len(frames).bit_length())
    formulas = [
        conjunction((f"(= frame {number(index, bits)})", encoder.name(encoder.frame(frame, sought))))
        for index, frame in enumerate(frames)
    ]
    domains = encoder.domains()
    text = [
        f"(declare-const frame (_ BitVec {bits}))",
        "(declare-const protocol (_ BitVec 8))",
        "(declare-const port (_ BitVec 16))",
        "(declare-const origin (_ BitVec 16))",
        *encoder.declarations(domains),
        *encoder.defined,
        f"(assert {disjunction(box(item) for item in flows)})",
        f"(assert {disjunction(formulas)})",
    ]
    context = z3.Context()
    solver = z3.SolverFor("QF_FD", ctx=context)
    solver.set("rlimit", rlimit)
    solver.from_string("\n".join(text))
    names = [variable_name(index) for index in range(len(domains))]
    widths = [("frame", bits), ("protocol", 8), ("port", 16), ("origin", 16)]
    widths += [(name, width_of(known)) for name, known in zip(names, domains.values(), strict=True)]
    numbers = answer(solver, context, widths, sorted(usual) if least else None)
    if isinstance(numbers, NoExample | GaveUp):
        return numbers
    assignment = {variable: known[numbers[name]] for name, (variable, known) in zip(names, domains.items(), strict=True)}
    return Example(numbers["frame"], assignment, Flow(family, numbers["protocol"], numbers["port"], numbers["origin"]))


def answer(
    solver: object, context: object, widths: list[tuple[str, int]], usual: list[tuple[int, int]] | None
) -> dict[str, int] | NoExample | GaveUp:
    """The numbers of an example: the least, one after the other, where ports are given that come first."""
    import z3

    assert isinstance(solver, z3.Solver)
    result = solver.check()
    if result == z3.unsat:
        return NoExample()
    if result == z3.unknown:
        return GaveUp(f"Z3 gave up: {solver.reason_unknown()}")
    found = {}
    for name, width in widths:
        term = z3.BitVec(name, width, context)
        if usual and name == "protocol":
            prefer(solver, context, usual)
        value = (
            smallest(solver, context, name, width)
            if usual is not None
            else solver.model().eval(term, model_completion=True).as_long()
        )
        if value is None:
            return GaveUp("Z3 gave up on the least example")
        found[name] = value
    return found


def prefer(solver: object, context: object, usual: list[tuple[int, int]]) -> None:
    """Settles on the first of the ports that an example can have."""
    import z3

    assert isinstance(solver, z3.Solver)
    port, protocol = z3.BitVec("port", 16, context), z3.BitVec("protocol", 8, context)
    for wanted, kind in usual:
        if solver.check(port == wanted, protocol == kind) == z3.sat:
            solver.add(port == wanted, protocol == kind)
            return


def smallest(solver: object, context: object, name: str, width: int) -> int | None:
    """The least value of a variable, which is then settled: the most usual protocol, an ephemeral source port. None where the solver gave up."""
    import z3

    assert isinstance(solver, z3.Solver)
    term = z3.BitVec(name, width, context)
    usual = {"protocol": PREFERRED, "origin": (40000,), "port": ()}.get(name, ())
    for value in usual:
        if solver.check(term == value) == z3.sat:
            solver.add(term == value)
            return value
    low, high = 0, (1 << width) - 1
    if name == "port" and solver.check(term != 0) == z3.sat:
        low = 1
    while low < high:
        middle = (low + high) // 2
        result = solver.check(z3.ULE(term, middle), z3.UGE(term, low))
        if result == z3.unknown:
            return None
        low, high = (low, middle) if result == z3.sat else (middle + 1, high)
    solver.add(term == low)
    return low if solver.check() == z3.sat else None
