"""The readings of the language agree, on random programs and packets."""

from __future__ import annotations

from functools import partial
from operator import eq

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.solve import interpreter
from analyzer.solve.interpreter import Interpreter
from analyzer.solve.sets import regions
from analyzer.solve.sets.diagrams import Sets
from analyzer.solve.sets.neglected import Neglect
from analyzer.solve.smt.questions import exists
from analyzer.solve.smt.ways import Never, Some
from analyzer.solve.states import INDEX, SOURCE
from analyzer.transfer.ir import Field
from tests.engines import (
    LINKED,
    POINTS,
    Parts,
    by_answers,
    flows,
    interpreted,
    members,
    named,
    packets,
    programs,
    scattered,
    whole,
)

NOTHING = Neglect()
agree = settings(max_examples=90, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@agree  # type: ignore[untyped-decorator]
@given(programs(), packets(), packets())  # type: ignore[untyped-decorator]
def test_sets_and_the_interpreter_agree(program: Parts, one: dict[Field, int], other: dict[Field, int]) -> None:
    sets_agree(program, (one, other))


@agree  # type: ignore[untyped-decorator]
@given(flows(), packets(), packets())  # type: ignore[untyped-decorator]
def test_sets_and_the_interpreter_agree_about_flows(program: Parts, one: dict[Field, int], other: dict[Field, int]) -> None:
    sets_agree(program, (one, other))


@agree  # type: ignore[untyped-decorator]
@given(scattered(), st.sets(st.sampled_from(LINKED), min_size=1), packets(), packets())  # type: ignore[untyped-decorator]
def test_sets_that_are_united_although_fields_differ_agree(
    program: Parts, fields: set[Field], one: dict[Field, int], other: dict[Field, int]
) -> None:
    places = tuple(INDEX[name] for name in LINKED if name in fields)
    sets_agree(program, (one, other), Neglect(linked={point.stage: places for point in POINTS}))


def sets_agree(program: Parts, chosen: tuple[dict[Field, int], ...], neglect: Neglect = NOTHING) -> None:
    """Each packet has the results that the interpreter gives it, for each way to answer the opaque tests."""
    results = Sets(program, neglect=neglect).explore([(POINTS[0], regions.start(whole()))])
    for packet in chosen:
        wanted = {interpreted(state, way) for way, state in Interpreter(program).walk(POINTS[0], interpreter.start(packet))}
        found = {item for result in results if not result.beyond for item in members(result, named(packet))}
        if not any(True for result in results if result.beyond for _ in members(result, named(packet))):
            assert by_answers(found) == by_answers(wanted)


@agree  # type: ignore[untyped-decorator]
@given(flows(), packets())  # type: ignore[untyped-decorator]
def test_sets_that_forget_answers_lose_nothing_and_say_so(program: Parts, packet: dict[Field, int]) -> None:
    """Each test may be answered otherwise each time: all ways that there are, and some more, which are none of what is certain."""
    results = Sets(program, neglect=Neglect(answered=0)).explore([(POINTS[0], regions.start(whole()))])
    wanted = {interpreted(state, way) for way, state in Interpreter(program).walk(POINTS[0], interpreter.start(packet))}
    found = {item for result in results if not result.beyond for item in members(result, named(packet))}
    if not any(True for result in results if result.beyond for _ in members(result, named(packet))):
        assert {seen for seen, _ in wanted} <= {seen for seen, _ in found}
        assert {seen for seen, answers in found if not answers} <= {seen for seen, _ in wanted}


COMPARED = (
    Field.SOURCE,
    Field.DESTINATION,
    Field.SOURCE_PORT,
    Field.DESTINATION_PORT,
    Field.STATE,
    Field.MARK,
    Field.CONNECTION_MARK,
)
few = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@few  # type: ignore[untyped-decorator]
@given(programs(), packets())  # type: ignore[untyped-decorator]
def test_z3_and_the_interpreter_agree(program: Parts, packet: dict[Field, int]) -> None:
    z3_agrees(program, packet)


@few  # type: ignore[untyped-decorator]
@given(flows(), packets())  # type: ignore[untyped-decorator]
def test_z3_and_the_interpreter_agree_about_flows(program: Parts, packet: dict[Field, int]) -> None:
    z3_agrees(program, packet)


def z3_agrees(program: Parts, packet: dict[Field, int]) -> None:
    """The packet leaves by each exit with the fields that the interpreter gives it, by no other exit, and with no other value of a field."""
    results = list(Interpreter(program).walk(POINTS[0], interpreter.start(packet)))
    start = regions.start({**whole(), **{name: ((value, value),) for name, value in packet.items()}})
    ends = {way for way, _ in results}
    assert exists(program, [(POINTS[0], start)], lambda way: way not in ends) == Never()
    for end in sorted(ends, key=repr):
        seen = {tuple(state.env[INDEX[name]] for name in COMPARED) for state in (s for way, s in results if way == end)}
        for values in sorted(seen):
            where = [(name, value, True) for name, value in zip(COMPARED, values, strict=True)]
            assert isinstance(exists(program, [(POINTS[0], start)], partial(eq, end), where), Some)
        for position, name in enumerate(COMPARED):
            others = [(name, value, False) for value in sorted({values[position] for values in seen})]
            assert exists(program, [(POINTS[0], start)], partial(eq, end), others) == Never()


def still(state: regions.State) -> bool:
    """Whether the source is the one at the start, under its own name or that of a variable that is equal to it."""
    own = state.env[SOURCE]
    return own == Field.SOURCE.value or any(
        pair.equal and pair.right == Field.SOURCE.value and pair.left == own for pair in state.together
    )


@few  # type: ignore[untyped-decorator]
@given(flows())  # type: ignore[untyped-decorator]
def test_z3_and_sets_agree_about_all_packets(program: Parts) -> None:
    start = [(POINTS[0], regions.start(whole()))]
    results = Sets(program).explore(start)
    if any(result.beyond for result in results):
        return
    for end in {result.exit for result in results}:
        assert isinstance(exists(program, start, partial(eq, end)), Some)
    left = {result.exit for result in results}
    assert exists(program, start, lambda way: way not in left) == Never()
    kept = [r for r in results if Field.SOURCE.value not in (r.state.env[SOURCE], *(pair.right for pair in r.state.together))]
    changed = [
        r for r in kept if isinstance(r.state.env[SOURCE], int) and r.state.region["source"] != ((r.state.env[SOURCE],) * 2,)
    ]
    if changed:
        assert isinstance(exists(program, start, lambda _: True, ((Field.SOURCE, "source", False),)), Some)
    elif all(still(result.state) for result in results):
        assert exists(program, start, lambda _: True, ((Field.SOURCE, "source", False),)) == Never()
