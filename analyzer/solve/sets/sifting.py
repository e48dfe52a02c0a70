"""Looks at several values of a set of states together: those that go together, and those that do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import product, repeat
from operator import itemgetter

from analyzer.memory import Same
from analyzer.ranges import Ranges, single
from analyzer.solve.sets.joint import Joint, Row
from analyzer.solve.sets.regions import State, Value, entered, values_of

Test = Callable[[Sequence[Ranges]], bool]


def certain(state: State, values: Sequence[Value], sure: frozenset[tuple[Ranges, ...]]) -> bool:
    """Whether all that the values may be together is among what is sure: many states have one set of rows, which is looked at once."""
    names = {value for value in values if isinstance(value, str)}
    for joint in state.joints:
        if names and names.issubset(joint.names):
            places = tuple(joint.names.index(value) if isinstance(value, str) else single(value) for value in values)
            return among(Same(joint.rows), places, Same(sure))
    return sure.issuperset(combinations(state, values))


@lru_cache(maxsize=8)
def among(rows: Same[tuple[Row, ...]], places: tuple[int | Ranges, ...], sure: Same[frozenset[tuple[Ranges, ...]]]) -> bool:
    """Whether these places of all rows, and values, are among what is sure."""
    columns = (map(itemgetter(place), rows.value) if isinstance(place, int) else repeat(place) for place in places)
    return sure.value.issuperset(zip(*columns, strict=False))


def combinations(state: State, values: Sequence[Value]) -> Iterator[tuple[Ranges, ...]]:
    """What the values may be together: products of ranges, one for each row of those that go together."""
    names = [value for value in values if isinstance(value, str)]
    if all(name in state.region for name in names):
        yield tuple(values_of(state, value) for value in values)
        return
    joint = entered(state, names).joints[-1]
    columns = (
        map(itemgetter(joint.names.index(value)), joint.rows) if isinstance(value, str) else repeat(single(value))
        for value in values
    )
    yield from zip(*columns, strict=False)


def sifted(
    state: State, values: Sequence[Value], wanted: Test, sure: frozenset[tuple[Ranges, ...]] = frozenset()
) -> tuple[list[State], list[State]]:
    """The states whose values are wanted together, and the others. ``wanted`` is asked of products, and says yes where all of one is; ``sure``
    are products that are."""
    if certain(state, values, sure) or all(map(wanted, combinations(state, values))):
        return [state], []
    names = tuple(dict.fromkeys(value for value in values if isinstance(value, str)))
    if not names:
        return [], [state]
    inside: list[Row] = []
    outside: list[Row] = []
    joint = entered(state, names).joints[-1]
    for row in apart(joint, names):
        known = dict(zip(joint.names, row, strict=True))
        (inside if wanted([known[value] if isinstance(value, str) else single(value) for value in values]) else outside).append(
            row
        )
    return of(state, names, inside), of(state, names, outside)


def apart(joint: Joint, names: Sequence[str]) -> Iterator[Row]:
    """The rows with single values for the variables."""
    places = {joint.names.index(name) for name in names}
    for row in joint.rows:
        yield from product(*(singles(ranges) if place in places else (ranges,) for place, ranges in enumerate(row)))


def singles(ranges: Ranges) -> Iterator[Ranges]:
    """The values, each by itself."""
    return (single(value) for low, high in ranges for value in range(low, high + 1))


def of(state: State, names: Sequence[str], rows: Sequence[Row]) -> list[State]:
    """The states with these rows of the variables."""
    spread = entered(state, names)
    *rest, joint = spread.joints
    return [spread._replace(joints=(*rest, Joint(joint.names, tuple(rows))))] if rows else []
