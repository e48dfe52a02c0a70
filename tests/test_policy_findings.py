"""Findings about policies that are several policies here: for pods, and for what Calico makes of nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.pipeline import read_input
from analyzer.query.policy_findings import redundant, unselective

SAMPLES = Path(__file__).parent.parent / "samples" / "policies"


@pytest.mark.parametrize("sample", ["calico-auto-hosts", "calico-hosts"])
def test_a_policy_for_nodes_selects_somebody(sample: str) -> None:
    assert list(unselective(read_input((str(SAMPLES / sample),)).network)) == []


def test_a_rule_of_several_parts_is_redundant_where_all_of_them_are() -> None:
    found = redundant(read_input((str(SAMPLES / "anp-first-releases"),)).network)
    assert [str(item.policy) for item in found] == []
