"""Values that go together: many rows are taken apart, and made fewer, as they would be one by one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.ranges import Ranges, contains, normalised
from analyzer.solve.sets.joint import MANY, Joint, Row, column, together

NAMES = ("one", "two", "three")
PAIRS = st.tuples(st.integers(0, 12), st.integers(0, 3)).map(lambda pair: (pair[0], sum(pair)))
RANGES: st.SearchStrategy[Ranges] = st.lists(PAIRS, min_size=1, max_size=3).map(normalised)
ROWS = st.lists(st.tuples(RANGES, RANGES, RANGES), min_size=1, max_size=6)


def points(rows: tuple[Row, ...]) -> Iterator[tuple[int, ...]]:
    """Every combination of values that is in a row."""
    for row in rows:
        yield from product(*([value for low, high in ranges for value in range(low, high + 1)] for ranges in row))


def many(rows: list[Row]) -> Joint:
    """The rows again and again, until they are many."""
    return Joint(NAMES, tuple(rows * (MANY // len(rows) + 1)))


@settings(max_examples=60, deadline=None, derandomize=True, database=None)  # type: ignore[untyped-decorator]
@given(rows=ROWS, held=RANGES, name=st.sampled_from(NAMES))  # type: ignore[untyped-decorator]
def test_many_rows_are_divided_as_few_are(rows: list[Row], held: Ranges, name: str) -> None:
    whole, place = many(rows), NAMES.index(name)
    assert whole.column(name) == column(rows, place)
    inside, outside = whole.divided(name, held)
    for part, within in ((inside, True), (outside, False)):
        left = part.rows if part is not None else ()
        wanted = {point for point in points(tuple(rows)) if contains(held, point[place]) is within}
        assert set(points(left)) == wanted
        assert part is None or (part.column(name) == column(left, place) and part.few(name) <= {row[place] for row in left})
        again = part.divided(name, held)[0 if within else 1] if part is not None else None
        assert set(points(again.rows if again is not None else ())) == wanted


@settings(max_examples=60, deadline=None, derandomize=True, database=None)  # type: ignore[untyped-decorator]
@given(rows=ROWS, others=ROWS)  # type: ignore[untyped-decorator]
def test_rows_together_say_what_they_said(rows: list[Row], others: list[Row]) -> None:
    wanted = set(points((*rows, *others)))
    assert set(points(together((Joint(NAMES, tuple(rows)), Joint(NAMES, tuple(others)))).rows)) == wanted
    assert set(points(together((many(rows), many(others))).rows)) == wanted
    assert set(points(together((many([*rows, *others]),)).rows)) == wanted


def test_rows_with_ranges_that_say_each_other_stay_as_they_are() -> None:
    ports: tuple[Ranges, ...] = (((1, 511),), ((512, 1023),), ((1024, 65535),))
    rows = tuple((port, port, ((number, number),)) for number in range(100) for port in ports)
    assert together((Joint(NAMES, rows), Joint(NAMES, rows))).rows == rows
