"""Sets of pairs are the sets that they stand for."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.query.grouping import Group
from analyzer.query.pair_sets import of_rows, pair_set, within
from analyzer.query.pairs import asked_of
from analyzer.ranges import normalised

NAMES_OF_ALL = "abcdef"
NAMES = st.sampled_from(NAMES_OF_ALL)
PAIRS = st.sets(st.tuples(NAMES, NAMES))
ROWS = st.lists(st.tuples(st.lists(NAMES, max_size=4), st.frozensets(NAMES, max_size=4)), max_size=6)


@settings(derandomize=True, database=None, deadline=None)  # type: ignore[untyped-decorator]
@given(PAIRS, PAIRS)  # type: ignore[untyped-decorator]
def test_sets_of_pairs_are_taken_from_each_other_and_united_as_plain_sets_are(
    some: set[tuple[str, str]], others: set[tuple[str, str]]
) -> None:
    one, other = pair_set(some), pair_set(others)
    assert list(one) == sorted(some)
    assert (len(one), bool(one)) == (len(some), bool(some))
    assert list(one - other) == sorted(some - others)
    assert list(one | other) == sorted(some | others)
    assert all((one - other).by_first.values())


@settings(derandomize=True, database=None, deadline=None)  # type: ignore[untyped-decorator]
@given(ROWS, PAIRS)  # type: ignore[untyped-decorator]
def test_rows_are_all_their_pairs(rows: list[tuple[list[str], frozenset[str]]], some: set[tuple[str, str]]) -> None:
    plain = {(one, other) for names, others in rows for one in names for other in others}
    assert list(of_rows(rows)) == sorted(plain)
    picking = [(names, others.intersection) for names, others in rows]
    assert list(within(pair_set(some), picking)) == sorted(plain & some)


@settings(derandomize=True, database=None, deadline=None)  # type: ignore[untyped-decorator]
@given(  # type: ignore[untyped-decorator]
    st.dictionaries(st.integers(0, 9), st.lists(NAMES, min_size=1, max_size=2).map(tuple)),
    st.sets(st.integers(0, 9)),
    st.frozensets(NAMES),
)
def test_who_of_some_has_one_of_the_addresses_is_told_by_either(
    targets: dict[int, tuple[str, ...]], asked: set[int], names: frozenset[str]
) -> None:
    group = Group((), (), {}, targets)
    values: dict[str, list[int]] = {name: [value for value, held in targets.items() if name in held] for name in NAMES_OF_ALL}
    wanted = {name for value in asked for name in targets.get(value, ()) if name in names}
    assert asked_of(group, values, normalised((value, value) for value in asked), names) == wanted
