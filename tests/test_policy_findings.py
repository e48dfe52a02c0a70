"""Findings about policies that are several policies here: for pods, and for what Calico makes of nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.pipeline import read_input
from analyzer.policy.redundancy import redundancies
from analyzer.query.policies import policies
from analyzer.query.policy_findings import redundant, unselective
from benchmarks.policies import Shape, cluster

SAMPLES = Path(__file__).parent.parent / "samples" / "policies"


@pytest.mark.parametrize("sample", ["calico-auto-hosts", "calico-hosts"])
def test_a_policy_for_nodes_selects_somebody(sample: str) -> None:
    assert list(unselective(read_input((str(SAMPLES / sample),)).network)) == []


def test_a_rule_of_several_parts_is_redundant_where_all_of_them_are() -> None:
    found = redundant(read_input((str(SAMPLES / "anp-first-releases"),)).network)
    assert [str(item.policy) for item in found] == []


@pytest.mark.parametrize("seed", range(6))
def test_rules_that_only_admit_are_redundant_where_folding_without_them_changes_nothing(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two ways to the same rules: what others match, and the tiers folded once more."""
    made = policies(cluster(Shape(pods=60, namespaces=4, policies=50, seed=seed, admin=seed % 2)))
    known = redundancies(made.all, made.every_family())
    monkeypatch.setattr("analyzer.policy.redundancy.only_admits", lambda *_: False)
    assert known == redundancies(made.all, made.every_family())
    assert any(not item.nothing for item in known)
