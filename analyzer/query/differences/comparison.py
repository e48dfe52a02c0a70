"""Everything that two inputs differ in: policies, and where both hold node state the verdicts on the guarantees and the findings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from analyzer.display import counted, heading, table
from analyzer.findings import Finding, Guarantee, Report, Verdict
from analyzer.query.differences.difference import Difference
from analyzer.query.differences.ways import ChangedWay
from analyzer.source import Source

# Numbers of lines and columns behind a path, which move with whatever stands above them.
PLACE = re.compile(r"(?<=[^\s:]):\d+(:\d+)?\b")


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """A guarantee whose verdict, or the number of pairs for which it fails, is another; None where it was not asked."""

    id: str
    old: Guarantee | None
    new: Guarantee | None

    @property
    def worse(self) -> bool:
        """Whether something fails that did not."""
        before = self.old.broken if self.old is not None and self.old.verdict is Verdict.REFUTED else 0
        return self.new is not None and self.new.verdict is Verdict.REFUTED and self.new.broken > before

    def __repr__(self) -> str:
        return f"<{self.id}: {word(self.old)} -> {word(self.new)}>"


@dataclass(frozen=True, slots=True, repr=False)
class Comparison:
    """The answer of ``diff``. ``ways``: what is reached through services and routes. ``incomplete``: what could not be read or decided, in words. ``old`` and ``new`` name the inputs."""

    policies: Difference
    ways: tuple[ChangedWay, ...] = field(default=(), kw_only=True)
    verdicts: tuple[VerdictChange, ...] = ()
    appeared: tuple[Finding, ...] = ()
    disappeared: tuple[Finding, ...] = ()
    incomplete: tuple[str, ...] = field(default=())
    old: str = "old"
    new: str = "new"

    @property
    def differs(self) -> bool:
        """Whether something differs for sure."""
        certainly = any(item.certain for item in self.ways)
        return self.policies.differs or certainly or bool(self.verdicts or self.appeared or self.disappeared)

    @property
    def undecided(self) -> bool:
        """Whether something may differ that is not known, or was not read."""
        unknown = any(not item.certain for item in self.ways)
        return unknown or bool(self.incomplete) or any(not item.certain and not item.because for item in self.policies.changes)

    @property
    def status(self) -> int:
        """The exit status: 1 when it differs, 3 when that is not known, else 0."""
        return 1 if self.differs else 3 if self.undecided else 0

    def counts(self) -> str:
        """What differs, in numbers."""
        parts = (
            counted(len(self.policies.changes), "change of who may talk to whom", "changes of who may talk to whom"),
            counted(len(self.ways), "way through services", "ways through services"),
            counted(len(self.verdicts), "verdict"),
            f"{counted(len(self.appeared), 'finding')} more, {len(self.disappeared)} fewer",
        )
        return f"{self.old} -> {self.new}: {', '.join(parts)}"

    def __repr__(self) -> str:
        return f"<{self.counts()}>"

    def _repr_html_(self) -> str:
        """The comparison as a notebook shows it, each change with a flow that shows it."""
        changes = (
            (item.change, ", ".join(item.sources), ", ".join(item.destinations), item.witness) for item in self.policies.changes
        )
        verdicts = ((item.id, word(item.old), word(item.new)) for item in self.verdicts)
        found = [("new", item) for item in self.appeared] + [("gone", item) for item in self.disappeared]
        return (
            heading(self.counts())
            + table(("change", "from", "to", "shown by"), changes)
            + table(("change", "way"), ((item.change, item.way) for item in self.ways))
            + table(("guarantee", "before", "after"), verdicts)
            + table(("", "rule", "finding", "where"), ((state, item.rule, item.message, item.at) for state, item in found))
            + table(("not read",), ((text,) for text in self.incomplete))
        )


def word(guarantee: Guarantee | None) -> str:
    """A verdict in a word or two."""
    if guarantee is None:
        return "not asked"
    return f"refuted for {guarantee.broken}" if guarantee.broken else guarantee.verdict.value


def verdict_changes(old: Report, new: Report) -> Iterator[VerdictChange]:
    """The guarantees that are answered otherwise, in the order of the new report."""
    before, after = ({item.id: item for item in report.guarantees} for report in (old, new))
    for name in dict.fromkeys((*after, *before)):
        one, other = before.get(name), after.get(name)
        if standing(one) != standing(other):
            yield VerdictChange(name, one, other)


def standing(guarantee: Guarantee | None) -> tuple[Verdict, int] | None:
    """What of a guarantee's answer is compared."""
    return (guarantee.verdict, guarantee.broken) if guarantee is not None else None


def finding_changes(old: Report, new: Report) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """The findings that appear, and those that disappear, by what stays the same when lines move."""
    return without(new, old), without(old, new)


def without(report: Report, other: Report) -> tuple[Finding, ...]:
    """The findings of a report that the other has not; as many as it has more, where several are alike."""
    left = [identity(item, texts(other.sources)) for item in other.findings]
    found = []
    sources = texts(report.sources)
    for item in report.findings:
        key = identity(item, sources)
        if key in left:
            left.remove(key)
        else:
            found.append(item)
    return tuple(found)


def texts(sources: Iterable[Source]) -> Mapping[str, Source]:
    """The sources by path."""
    return {source.path: source for source in sources}


def identity(item: Finding, sources: Mapping[str, Source]) -> tuple[str, str, str, str]:
    """The rule, the file, the text of the line, and the message without numbers of lines."""
    source = sources.get(item.at.path)
    line = " ".join(source.line(item.at.line).split()) if source else ""
    return item.rule, item.at.path, line, PLACE.sub("", item.message)
