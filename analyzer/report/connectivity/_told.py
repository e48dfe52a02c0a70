"""What can be reached from outside as findings at the lines of the objects that lead there, for the formats that tools read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from analyzer.findings import Certainty, Finding, Report, Severity
from analyzer.query.connectivity.entrances import Entrance
from analyzer.report import format_named
from analyzer.report.connectivity import Answer, ConnectivityFormat
from analyzer.report.connectivity._names import asked, asked_at, words
from analyzer.report.rebasing import rebased
from analyzer.report.style import Style

VERDICTS: Final = {True: "reaches", False: "is kept from", None: "may reach"}
HELP = "policies keep it out: admit it, or take the object away"


def told_as(name: str) -> ConnectivityFormat:
    """The format of the name, written from what can be reached from outside."""

    def write(answer: Answer, style: Style) -> Iterable[str]:
        return [format_named(name).write(rebased(report(answer), answer.base), style)]

    return ConnectivityFormat(name, write)


def report(answer: Answer) -> Report:
    """The ways in as findings."""
    return Report((), (), tuple(findings(answer.entrances)), (), answer.sources)


def findings(ways: Iterable[Entrance]) -> Iterator[Finding]:
    """A note for each way that is let in, and a warning for one that policies keep out. What is not certain is possible."""
    for way in ways:
        requests = f" for {asked(way.requests)}" if way.requests else ""
        ends = f"{way.source} {VERDICTS[way.admitted]} {way.destination} {words(way.allow)}"
        text = f"{way.kind} {way.name}{requests}, {asked_at(way)}: {ends}"
        certainty = Certainty.POSSIBLE if way.admitted is None else Certainty.VIOLATED
        if way.admitted is False:
            yield Finding("kept-from-outside", Severity.WARNING, text, way.at, certainty, note=HELP)
        else:
            yield Finding("reached-from-outside", Severity.NOTE, text, way.at, certainty, note=way.why)
