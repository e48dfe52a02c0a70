"""Sets of pairs are the sets that they stand for."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.query.pair_sets import of_rows, pair_set, within

NAMES = st.sampled_from("abcdef")
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
