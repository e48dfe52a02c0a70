"""Altered captures: no verdict says more than the concrete walk of every pair, and nothing raises. ``python -m tests.mutations`` tries more."""

from __future__ import annotations

import pytest

from tests.mutations import Tally, case_of, tried

SEED, COUNT, PARTS = 7000, 14, 2


@pytest.mark.parametrize("part", range(PARTS))
def test_no_verdict_says_more_than_the_walk(part: int) -> None:
    tally = Tally()
    for seed in range(SEED + part, SEED + COUNT, PARTS):
        tried(seed, "", tally)
    assert not tally.wrong, "\n".join(tally.wrong)
    assert tally.verdicts["proved"]
    assert tally.verdicts["undecided"]


def test_a_seed_makes_the_same_case_again() -> None:
    assert case_of(3) == case_of(3)
    assert case_of(3) != case_of(4)
