"""Runs the rules: the shipped ones and a user's own, chosen by id; findings in one order, and none lost when a rule fails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from analyzer.findings import Certainty, Finding, Severity
from analyzer.model.network import Network
from analyzer.plugins import folder_constants, shipped
from analyzer.rule import Rule
from analyzer.source import Span

FAILURES = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
RANK = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}
INTERNAL = "internal-error"


@lru_cache(maxsize=4)
def all_rules(folder: Path | None = None) -> tuple[Rule, ...]:
    """Every rule of the folder (the shipped ones without it), by id; ValueError where two have one id."""
    rules = sorted(folder_constants(folder or shipped("rules"), "RULE", Rule), key=lambda rule: rule.id)
    for one, two in pairwise(rules):
        if one.id == two.id:
            raise ValueError(f"two rules have the id {one.id}")
    return tuple(rules)


def check(
    network: Network,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    rules: Sequence[Rule] | None = None,
) -> tuple[Finding, ...]:
    """The findings of the chosen rules, the worst first, then by place.

    ``select`` and ``ignore`` hold ids, several of them with commas between, with ``*`` for the rest of a name; without ``select`` all rules run.
    """
    wanted = [rule for rule in (all_rules() if rules is None else rules) if chosen(rule.id, select, ignore)]
    found = {finding: None for rule in wanted for finding in run(rule, network)}
    return tuple(sorted(found, key=order))


def chosen(identifier: str, select: Sequence[str], ignore: Sequence[str]) -> bool:
    """Whether a rule is selected and not ignored."""
    selected = not select or any(fnmatchcase(identifier, pattern) for pattern in patterns(select))
    return selected and not any(fnmatchcase(identifier, pattern) for pattern in patterns(ignore))


def patterns(texts: Iterable[str]) -> Iterator[str]:
    """The patterns of options with commas."""
    return (part.strip() for text in texts for part in text.split(",") if part.strip())


def run(rule: Rule, network: Network) -> Iterator[Finding]:
    """The findings of one rule. What it raises becomes a finding of its own: the rest of this rule is lost, and no other."""
    try:
        yield from rule.check(network)
    except FAILURES as problem:
        text = f"the rule {rule.id} failed: {type(problem).__name__}: {problem}"
        note = "this is a fault of the analyzer; what this rule would have found is not known"
        yield Finding(INTERNAL, Severity.WARNING, text, Span(f"rules/{rule.id}", 1), Certainty.POSSIBLE, note=note)


def order(finding: Finding) -> tuple[object, ...]:
    """The worst first, then by place, rule and text."""
    certain = finding.certainty is not Certainty.VIOLATED
    return RANK[finding.severity], finding.at, finding.rule, finding.message, certain, repr(finding)
