"""Networks that overlap, found side by side, are those that comparing each with each finds."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from analyzer.addresses import WIDTH, Address, Prefix, overlapping, prefix_of


@st.composite  # type: ignore[untyped-decorator]
def prefixes(draw: st.DrawFn) -> Prefix:
    """A network of a small space, so that many overlap."""
    family = draw(st.sampled_from((4, 6)))
    length = WIDTH[family] - draw(st.integers(0, 6))
    return prefix_of(Address(family, draw(st.integers(0, 63))), length)


@given(st.lists(prefixes(), max_size=30))  # type: ignore[untyped-decorator]
def test_pairs_that_overlap(networks: list[Prefix]) -> None:
    wanted = [(one, two) for one, two in combinations(range(len(networks)), 2) if networks[one].overlaps(networks[two])]
    assert overlapping(networks) == wanted
