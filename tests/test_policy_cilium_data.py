"""Cilium's own connectivity tests and others' policies: every file is read, and nearly every rule has a meaning that is known for sure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer.pipeline import read_input
from analyzer.policy.planes import PolicySet, policy_set
from analyzer.policy.profiles import CILIUM
from analyzer.policy.terms import All, AnyOf, Not, Opaque
from analyzer.policy.tiers import Direction, Policy, Rule
from analyzer.policy.world import world_of
from tests.policies import DATA, needs

FOLDER = DATA / "cilium-policy"
FILES = sorted(path for path in FOLDER.rglob("*") if path.suffix in (".yaml", ".yml", ".json"))
TEMPLATE = ("{{", "{%")


def policies_in(path: Path) -> PolicySet:
    """The policies of a file; the test is skipped where the file is a template that is no YAML."""
    given = read_input((str(path),))
    if given.gaps and any(mark in path.read_text() for mark in TEMPLATE):
        pytest.skip(f"{path.name} is a template: {given.gaps[0].reason}")
    return policy_set(world_of(given.network.cluster, CILIUM))


def rules_of(policies: PolicySet) -> Iterator[tuple[Policy, Rule]]:
    """Every rule with its policy."""
    for policy in policies.policies():
        for direction in Direction:
            rules = policy.direction(direction)
            yield from ((policy, rule) for rule in rules.rules) if rules is not None else ()


def doubts(term: object) -> Iterator[str]:
    """What is not known in a test."""
    match term:
        case Opaque(text):
            yield text
        case All(terms) | AnyOf(terms):
            for item in terms:
                yield from doubts(item)
        case Not(item):
            yield from doubts(item)
        case _:
            pass


@needs(FOLDER)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_is_read(path: Path) -> None:
    policies = policies_in(path)
    templates = any(mark in path.read_text() for mark in TEMPLATE)
    assert templates or [item.message for item in policies.complaints if item.rejected] == []


@needs(FOLDER)
def test_what_rules_mean_is_known_but_for_names_and_nodes(capsys: pytest.CaptureFixture[str]) -> None:
    known, total, open_ones = 0, 0, set[str]()
    for path in FILES:
        policies = policy_set(world_of(read_input((str(path),)).network.cluster, CILIUM))
        for policy, rule in rules_of(policies):
            found = {text for term in (policy.subject, rule.peer, rule.own, rule.traffic) for text in doubts(term)}
            known, total = known + (not found), total + 1
            open_ones |= {f"{path.name}: {text}" for text in found}
    with capsys.disabled():
        print(f"\n{known} of {total} rules are known for sure, {known / total:.0%}; open: " + "; ".join(sorted(open_ones)))
    assert known >= 60
    allowed = (
        "which addresses ",
        "which node is the subject's own",
        "host firewall",
        "API servers",
        "authentication",
        "cannot be read",
    )
    assert [text for text in sorted(open_ones) if not any(word in text for word in allowed)] == []
