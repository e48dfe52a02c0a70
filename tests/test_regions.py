"""Sets of packets as values: what narrowing, dividing and comparing leaves, against all assignments one by one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from analyzer.ranges import Ranges, normalised
from analyzer.solve.sets.joint import Joint
from analyzer.solve.sets.regions import State, Together, compared, divided, narrowed, values_of

NAMES = ("a", "b", "c", "d", "e")
TOP = 4
Assignment = tuple[tuple[str, int], ...]

ranges = st.sets(st.integers(0, TOP), min_size=1).map(lambda values: normalised((value, value) for value in values))

couples = st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)).filter(lambda pair: pair[0] != pair[1])


@st.composite  # type: ignore[untyped-decorator]
def states(draw: st.DrawFn) -> State:
    """States of five variables, some of them in joints, some of which must differ."""
    places = [draw(st.sampled_from((0, 0, 1, 2))) for _ in NAMES]
    region = {name: draw(ranges) for name, place in zip(NAMES, places, strict=True) if not place}
    joints = []
    for number in (1, 2):
        names = tuple(name for name, place in zip(NAMES, places, strict=True) if place == number)
        if names:
            rows = draw(st.lists(st.tuples(*(ranges for _ in names)), min_size=1, max_size=4))
            joints.append(Joint(names, tuple(dict.fromkeys(rows))))
    pairs = draw(st.lists(couples.filter(lambda pair: pair[0] < pair[1]), max_size=3, unique=True))
    return State(region, (), together=tuple(Together(left, right, False) for left, right in pairs), joints=tuple(joints))


def spelled(found: Ranges) -> list[int]:
    """The values of ranges."""
    return [value for low, high in found for value in range(low, high + 1)]


def assignments(state: State | None) -> set[Assignment]:
    """What the variables of a state may be, together."""
    return set(assigned(state)) if state is not None else set()


def assigned(state: State) -> Iterator[Assignment]:
    """``assignments``, one by one."""
    parts: list[list[Assignment]] = [[((name, value),) for value in spelled(found)] for name, found in state.region.items()]
    for joint in state.joints:
        rows = (tuple(zip(joint.names, values, strict=True)) for row in joint.rows for values in product(*map(spelled, row)))
        parts.append(list(rows))
    for chosen in product(*parts):
        values = dict(pair for part in chosen for pair in part)
        values |= {pair.right: values[pair.left] for pair in state.together if pair.equal}
        if all(pair.equal or values[pair.left] != values[pair.right] for pair in state.together):
            yield tuple(sorted(values.items()))


@given(states(), st.sampled_from(NAMES), ranges)  # type: ignore[untyped-decorator]
def test_a_part_of_a_state_has_what_is_in_the_ranges(state: State, name: str, wanted: Ranges) -> None:
    every = assignments(state)
    inside = {one for one in every if dict(one)[name] in spelled(wanted)}
    held, others = divided(state, name, wanted)
    assert assignments(held) == inside
    assert assignments(others) == every - inside
    own = normalised((value, value) for value in spelled(values_of(state, name)) if value in spelled(wanted))
    assert assignments(narrowed(state, name, own) if own else None) == inside


@given(states(), couples)  # type: ignore[untyped-decorator]
def test_two_values_are_equal_or_differ(state: State, names: tuple[str, str]) -> None:
    left, right = names
    every = assignments(state)
    equal, other = compared(state, left, right)
    assert assignments(equal) == {one for one in every if dict(one)[left] == dict(one)[right]}
    assert assignments(other) == {one for one in every if dict(one)[left] != dict(one)[right]}


def test_of_two_that_must_differ_and_have_one_value_there_is_none() -> None:
    differ = (Together("a", "b", False),)
    assert narrowed(State({"a": ((3, 3), (5, 5)), "b": ((3, 3),)}, (), together=differ), "a", ((3, 3),)) is None
    left = narrowed(State({"a": ((1, 5),), "b": ((1, 5),)}, (), together=differ), "a", ((3, 3),))
    assert left is not None
    assert left.region["b"] == ((1, 2), (4, 5))
