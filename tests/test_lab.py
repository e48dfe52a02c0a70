"""Real networks, real packets: every prediction must be what the kernel does. See tests/lab/README.md."""

from __future__ import annotations

import pytest

from tests.lab.compare import Tally
from tests.lab.machine import missing
from tests.lab.run import Options, run
from tests.lab.scenarios import SCENARIOS, scenario

REASON = missing()
SEEDS = (1, 2)
UNKNOWN_SHARE = 0.1

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("lab"), pytest.mark.skipif(REASON is not None, reason=REASON or "")]


@pytest.fixture(scope="module")
def tally() -> Tally:
    """What all the networks of this module add up to."""
    return Tally()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", [one.name for one in SCENARIOS])
def test_the_kernel_agrees(name: str, seed: int, tally: Tally) -> None:
    before = len(tally.wrong)
    run(scenario(name), seed, tally, Options(limit=120, most=0 if seed == SEEDS[0] else 3, engines=True))
    assert not tally.wrong[before:], "\n".join(tally.wrong[before:])


def test_enough_was_predicted(tally: Tally) -> None:
    print(tally)
    assert tally.predictions >= 1500
    assert sum(tally.unknown.values()) < UNKNOWN_SHARE * tally.predictions
