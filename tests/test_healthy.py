"""What installations look like when they are well: no rule finds anything, and no guarantee is refuted but by design."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.findings import Verdict
from analyzer.query.guarantees import decide
from analyzer.query.rules import check
from tests.captures import files_of, network_of

SAMPLES = sorted((Path(__file__).parent.parent / "samples" / "healthy").glob("*.txt"))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_the_rules_are_silent(path: Path, tmp_path: Path) -> None:
    network = network_of(files_of(path.read_text()), tmp_path)
    assert network.gaps == ()
    assert [f"{one.rule}: {one.message}" for one in check(network)] == []


@pytest.mark.parametrize("assumed", [False, True], ids=["captured", "assumed"])
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_no_guarantee_is_refuted(path: Path, assumed: bool, tmp_path: Path) -> None:
    """Also where what was not captured (the pods' own tables) is taken to be as the kernel has it."""
    network = network_of(files_of(path.read_text()), tmp_path, assumed)
    refuted = [item for item in decide(network).guarantees if item.verdict is Verdict.REFUTED and not item.by_design]
    assert [f"{item.id}: {item.reason}" for item in refuted] == []
