"""What is wrong, as one list: for formats that know results at places and nothing of guarantees and causes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256

from analyzer.findings import (
    Cause,
    Certainty,
    Counterexample,
    Finding,
    Fix,
    Guarantee,
    Label,
    Report,
    Severity,
    Suppressed,
    Verdict,
    fingerprint,
)
from analyzer.query.rules import INTERNAL
from analyzer.source import Source, Span

CAUSE = "cause"


@dataclass(frozen=True, slots=True)
class Problem:
    """A refuted guarantee, a cause or a finding. ``rule`` is the guarantee's id, ``cause`` or the rule's id; ``at`` is None only where there
    is no input at all; ``mark`` stays the same when lines move, and is the same for two problems only where they say the same of equal lines."""

    rule: str
    severity: Severity
    message: str
    at: Span | None
    mark: str
    certainty: Certainty = Certainty.VIOLATED
    related: tuple[Label, ...] = ()
    note: str = ""
    fix: Fix | None = None
    counterexample: Counterexample | None = None
    suppressed: Suppressed | None = None


class Outcome(StrEnum):
    """What a report comes to, worst first."""

    WRONG = "something is wrong"
    DOUBTFUL = "there is something to look at"
    OPEN = "nothing is known to be wrong, but not everything could be decided"
    CLEAN = "nothing is known to be wrong"


def outcome(report: Report) -> Outcome:
    """The whole report in a line: errors and refuted guarantees, else lesser findings, else what is open."""
    if any(item.fails for item in report.guarantees) or any(item.severity is Severity.ERROR for item in report.findings):
        return Outcome.WRONG
    if report.findings:
        return Outcome.DOUBTFUL
    return Outcome.OPEN if report.gaps or undecided(report) else Outcome.CLEAN


def problems(report: Report, *, explained: bool = True) -> Iterator[Problem]:
    """The causes, the guarantees that are refuted and not by design, the findings, each in the report's order.

    Without ``explained`` the guarantees that a cause names are left out: the cause says it at the same place. A rule that failed is not a problem
    of the input, and never among them."""
    sources = {source.path: source for source in report.sources}
    yield from (of_cause(cause, sources) for cause in report.causes)
    for guarantee in report.guarantees:
        if guarantee.fails and (explained or not causes_of(guarantee, report)):
            yield of_guarantee(guarantee, report)
    yield from (of_finding(finding, sources) for finding in report.findings if finding.rule != INTERNAL)


def left_out(report: Report) -> Iterator[Problem]:
    """The findings that do not count, with who says so."""
    sources = {source.path: source for source in report.sources}
    yield from (replace(of_finding(item.finding, sources), suppressed=item) for item in report.suppressed)


def of_cause(cause: Cause, sources: dict[str, Source]) -> Problem:
    """A cause; its message says what it explains."""
    message = f"{cause.message} ({pairs(cause.pairs)}: {', '.join(cause.guarantees)})"
    mark = fingerprint(Finding(CAUSE, Severity.ERROR, cause.message, cause.at), sources)
    about = Problem(CAUSE, Severity.ERROR, message, cause.at, mark)
    return replace(about, related=cause.related, fix=cause.fix, counterexample=cause.counterexample)


def of_guarantee(guarantee: Guarantee, report: Report) -> Problem:
    """A refuted guarantee at the line that decides its packet; it is one problem as long as it is refuted, whatever the packet."""
    named = causes_of(guarantee, report)
    shown = guarantee.counterexample
    places = [
        shown.at if shown else None,
        *(cause.at for cause in named),
        *(Span(source.path, 1) for source in report.sources[:1]),
    ]
    at = next((place for place in places if place is not None), None)
    message = f"{guarantee.id} does not hold for {guarantee.scope}: {guarantee.reason or (shown.reason if shown else '')}"
    related = tuple(Label(cause.at, cause.message) for cause in named)
    mark = sha256(f"guarantee\0{guarantee.id}".encode()).hexdigest()[:32]
    return Problem(guarantee.id, Severity.ERROR, message, at, mark, related=related, counterexample=shown)


def of_finding(finding: Finding, sources: dict[str, Source]) -> Problem:
    """A finding; the message of a possible one says so."""
    message = finding.message if finding.certainty is Certainty.VIOLATED else f"possible: {finding.message}"
    return Problem(
        finding.rule,
        finding.severity,
        message,
        finding.at,
        fingerprint(finding, sources),
        finding.certainty,
        finding.related,
        finding.note,
        finding.fix,
        finding.counterexample,
    )


def causes_of(guarantee: Guarantee, report: Report) -> list[Cause]:
    """The causes that name the guarantee."""
    return [cause for cause in report.causes if guarantee.id in cause.guarantees]


def failed(report: Report) -> list[Finding]:
    """The rules that failed: what they would have found is not known."""
    return [finding for finding in report.findings if finding.rule == INTERNAL]


def undecided(report: Report) -> list[Guarantee]:
    """The guarantees that could not be decided."""
    return [guarantee for guarantee in report.guarantees if guarantee.verdict is Verdict.UNDECIDED]


def pairs(count: int) -> str:
    """How many pairs are broken."""
    return f"{count} broken pair{'' if count == 1 else 's'}"


def numbered(items: Iterable[Problem]) -> Iterator[tuple[Problem, int]]:
    """Each problem with its number, from 1, among those of the same mark."""
    seen: Counter[str] = Counter()
    for item in items:
        seen[item.mark] += 1
        yield item, seen[item.mark]
