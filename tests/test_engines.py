"""The readings of the language agree, on random programs and packets."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from analyzer.solve import interpreter, regions
from analyzer.solve.diagrams import Sets
from analyzer.solve.interpreter import Interpreter
from analyzer.transfer.ir import Field
from tests.engines import POINTS, Parts, by_answers, flows, interpreted, members, named, packets, programs, whole

agree = settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@agree  # type: ignore[untyped-decorator]
@given(programs(), packets(), packets())  # type: ignore[untyped-decorator]
def test_sets_and_the_interpreter_agree(program: Parts, one: dict[Field, int], other: dict[Field, int]) -> None:
    sets_agree(program, (one, other))


@agree  # type: ignore[untyped-decorator]
@given(flows(), packets(), packets())  # type: ignore[untyped-decorator]
def test_sets_and_the_interpreter_agree_about_flows(program: Parts, one: dict[Field, int], other: dict[Field, int]) -> None:
    sets_agree(program, (one, other))


def sets_agree(program: Parts, chosen: tuple[dict[Field, int], ...]) -> None:
    """Each packet has the results that the interpreter gives it, for each way to answer the opaque tests."""
    results = Sets(program).explore([(POINTS[0], regions.start(whole()))])
    for packet in chosen:
        wanted = {interpreted(state, way) for way, state in Interpreter(program).walk(POINTS[0], interpreter.start(packet))}
        found = {item for result in results if not result.beyond for item in members(result, named(packet))}
        if not any(True for result in results if result.beyond for _ in members(result, named(packet))):
            assert by_answers(found) == by_answers(wanted)
