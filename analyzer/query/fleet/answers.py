"""What is told of one cluster of many: the verdicts, the causes with the shape of their words, and how often each rule finds something."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from analyzer.findings import Cause, Finding, Guarantee, IntentVerdict, Report, Severity
from analyzer.model.network import Network
from analyzer.query.fleet.shapes import names_of, shape
from analyzer.source import Gap, Span

REASONS = 5


@dataclass(frozen=True, slots=True)
class FleetCause:
    """A cause in a cluster. ``shape``: its words without what is this cluster's own (names, addresses, numbers)."""

    shape: str
    message: str
    pairs: int
    guarantees: tuple[str, ...]
    at: Span
    fix: str = ""


@dataclass(frozen=True, slots=True)
class RuleCount:
    """How often a rule finds something in a cluster, at one severity, and its first finding."""

    rule: str
    severity: Severity
    count: int
    message: str
    at: Span


@dataclass(frozen=True, slots=True)
class Answer:
    """What is told of a cluster. ``status`` as the exit status of a check. ``missing``: why there is no answer, else empty. ``unread``: the first of
    the inputs that could not be read, with why."""

    name: str
    status: int
    guarantees: tuple[Guarantee, ...] = ()
    intents: tuple[IntentVerdict, ...] = ()
    causes: tuple[FleetCause, ...] = ()
    rules: tuple[RuleCount, ...] = ()
    inputs: int = 0
    gaps: int = 0
    ignored: int = 0
    unread: tuple[str, ...] = ()
    missing: str = ""


def missing(name: str, reason: str) -> Answer:
    """A cluster without an answer: undecided, with the reason."""
    return Answer(name, 3, missing=reason)


def answer(name: str, report: Report, network: Network, unreadable: Iterable[Gap], status: int) -> Answer:
    """What is told of a cluster that was checked."""
    names = names_of(network)
    return Answer(
        name,
        status,
        tuple(replace(item, counterexample=None) for item in report.guarantees),
        report.intents,
        tuple(cause_of(item, names) for item in report.causes),
        tuple(counted(report.findings)),
        len(report.sources),
        len(report.gaps),
        len(report.suppressed),
        told(unreadable),
    )


def told(unreadable: Iterable[Gap]) -> tuple[str, ...]:
    """What could not be read, in words; the first few."""
    return tuple(f"{gap.at.path}: {gap.reason}" for gap in sorted(unreadable))[:REASONS]


def cause_of(item: Cause, names: dict[str, str]) -> FleetCause:
    """A cause with its shape."""
    return FleetCause(
        shape(item.message, names), item.message, item.pairs, item.guarantees, item.at, item.fix.text if item.fix else ""
    )


def counted(findings: Iterable[Finding]) -> Iterator[RuleCount]:
    """How often each rule finds something at each severity, in the order of the findings."""
    groups: dict[tuple[str, Severity], list[Finding]] = {}
    for item in findings:
        groups.setdefault((item.rule, item.severity), []).append(item)
    for (rule, severity), found in groups.items():
        yield RuleCount(rule, severity, len(found), found[0].message, found[0].at)
