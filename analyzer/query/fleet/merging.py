"""One answer of many clusters: which guarantee fails where, which causes and rules they share. It does not depend on the order of the answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from analyzer.findings import Severity, Verdict
from analyzer.query.fleet.answers import Answer, FleetCause, RuleCount

RANK = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}
WORST = (1, 3, 0)


@dataclass(frozen=True, slots=True)
class SharedVerdict:
    """A guarantee: the clusters where it fails, where it is refuted and excused (by design or accepted), undecided, proved; and of how many it cannot be asked."""

    id: str
    fails: tuple[str, ...]
    excused: tuple[str, ...]
    undecided: tuple[str, ...]
    proved: tuple[str, ...]
    not_applicable: int


@dataclass(frozen=True, slots=True)
class Where:
    """A cause in one cluster: how many places have it, how many pairs they break, and the worst of them."""

    cluster: str
    places: int
    pairs: int
    worst: FleetCause


@dataclass(frozen=True, slots=True)
class SharedCause:
    """Causes of one shape."""

    shape: str
    guarantees: tuple[str, ...]
    fix: str
    clusters: tuple[Where, ...]

    @property
    def pairs(self) -> int:
        """How many pairs are broken in all."""
        return sum(item.pairs for item in self.clusters)


@dataclass(frozen=True, slots=True)
class SharedRule:
    """What a rule finds at one severity, by cluster."""

    rule: str
    severity: Severity
    clusters: tuple[tuple[str, RuleCount], ...]

    @property
    def count(self) -> int:
        """How many findings there are in all."""
        return sum(item.count for _, item in self.clusters)


@dataclass(frozen=True, slots=True)
class Fleet:
    """The merged answer."""

    answers: tuple[Answer, ...]
    guarantees: tuple[SharedVerdict, ...]
    causes: tuple[SharedCause, ...]
    rules: tuple[SharedRule, ...]

    @property
    def status(self) -> int:
        """The worst status of all clusters: something is wrong, else something is not known, else nothing."""
        found = {item.status for item in self.answers}
        return next((status for status in WORST if status in found), 0)

    @property
    def missing(self) -> tuple[Answer, ...]:
        """The clusters without an answer."""
        return tuple(item for item in self.answers if item.missing)

    def with_status(self, status: int) -> int:
        """How many clusters have a status."""
        return sum(item.status == status for item in self.answers)


def merged(answers: Iterable[Answer]) -> Fleet:
    """The answers as one."""
    ordered = tuple(sorted(answers, key=lambda item: item.name))
    return Fleet(ordered, tuple(verdicts(ordered)), tuple(causes(ordered)), tuple(rules(ordered)))


def verdicts(answers: Sequence[Answer]) -> Iterator[SharedVerdict]:
    """The guarantees in the order of a check, over the clusters that have an answer."""
    for name in dict.fromkeys(item.id for answer in answers for item in answer.guarantees):
        found = [(answer.name, item) for answer in answers for item in answer.guarantees if item.id == name]
        yield SharedVerdict(
            name,
            tuple(cluster for cluster, item in found if item.fails),
            tuple(cluster for cluster, item in found if item.verdict is Verdict.REFUTED and not item.fails),
            tuple(cluster for cluster, item in found if item.verdict is Verdict.UNDECIDED),
            tuple(cluster for cluster, item in found if item.verdict is Verdict.PROVED),
            sum(item.verdict is Verdict.NOT_APPLICABLE for _, item in found),
        )


def causes(answers: Sequence[Answer]) -> list[SharedCause]:
    """Causes of one shape, those of the most clusters first."""
    groups: dict[str, dict[str, list[FleetCause]]] = {}
    for answer in answers:
        for item in answer.causes:
            groups.setdefault(item.shape, {}).setdefault(answer.name, []).append(item)
    found = [shared(shape, clusters) for shape, clusters in groups.items()]
    return sorted(found, key=lambda item: (-len(item.clusters), -item.pairs, item.shape))


def shared(shape: str, clusters: dict[str, list[FleetCause]]) -> SharedCause:
    """The causes of a shape as one."""
    every = [item for items in clusters.values() for item in items]
    where = [
        Where(name, len(items), sum(item.pairs for item in items), min(items, key=lambda item: (-item.pairs, item.at)))
        for name, items in clusters.items()
    ]
    guarantees = tuple(sorted({name for item in every for name in item.guarantees}))
    return SharedCause(shape, guarantees, min((item.fix for item in every if item.fix), default=""), tuple(where))


def rules(answers: Sequence[Answer]) -> list[SharedRule]:
    """What rules find, the worst first, then what most clusters have."""
    groups: dict[tuple[str, Severity], list[tuple[str, RuleCount]]] = {}
    for answer in answers:
        for item in answer.rules:
            groups.setdefault((item.rule, item.severity), []).append((answer.name, item))
    found = [SharedRule(rule, severity, tuple(clusters)) for (rule, severity), clusters in groups.items()]
    return sorted(found, key=lambda item: (RANK[item.severity], -len(item.clusters), -item.count, item.rule))
