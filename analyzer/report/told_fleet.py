"""The answer of ``analyze fleet`` in the formats that tools read: guarantees and intents by cluster, what fails in several as findings, and a page.

Paths are inside of a cluster's input, after its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from analyzer.findings import Certainty, Finding, Guarantee, Label, Report, Severity, Verdict
from analyzer.query.fleet.answers import Answer
from analyzer.query.fleet.merging import Fleet, SharedCause
from analyzer.report import format_named
from analyzer.report.fleet import counted, head
from analyzer.report.page.shell import page
from analyzer.report.page.text import banner, pill, section, shown, table, tag
from analyzer.report.style import Style
from analyzer.source import Gap, Span

FEW = 8
ROLES = {0: "proved", 1: "refuted", 3: "undecided"}
STATES = {0: "clean", 1: "wrong", 3: "undecided"}


def write(name: str, found: Fleet, style: Style) -> str:
    """The answer in a format."""
    if name == "html":
        return page("fleet", [part for part in sections(found) if part], banner(head(found, Style()), ROLES[found.status]))
    return format_named(name).write(report(found, as_tests=name == "junit"), style)


def report(found: Fleet, *, as_tests: bool) -> Report:
    """The answers as one report: guarantees as such where they are tests, else the failing ones as findings, which have a place."""
    asked = [(answer.name, item) for answer in found.answers for item in answer.guarantees]
    asked = [(name, item) for name, item in asked if item.verdict is not Verdict.NOT_APPLICABLE]
    guarantees = tuple(replace(item, id=f"{name}: {item.id}") for name, item in asked) if as_tests else ()
    verdicts = (
        () if as_tests else (of_guarantee(name, item) for name, item in asked if item.fails or item.verdict is Verdict.UNDECIDED)
    )
    intents = tuple(
        replace(item, name=f"{answer.name}: {item.name}", at=inside(answer.name, item.at))
        for answer in found.answers
        for item in answer.intents
    )
    gaps = [Gap(Span(item.name, 1), f"without an answer: {item.missing}") for item in found.missing]
    gaps += [Gap(Span(answer.name, 1), f"not read: {text}") for answer in found.answers for text in answer.unread]
    every = (*verdicts, *map(of_cause, found.causes), *(item for answer in found.answers for item in of_rules(answer)))
    return Report(guarantees, (), every, tuple(gaps), (), intents=intents)


def of_guarantee(cluster: str, item: Guarantee) -> Finding:
    """A guarantee of a cluster that fails, or is not decided."""
    text = f"{cluster}: {item.id} is {item.verdict.value}: {item.reason}"
    if item.fails:
        return Finding(item.id, Severity.ERROR, text, Span(cluster, 1))
    return Finding(item.id, Severity.WARNING, text, Span(cluster, 1), Certainty.POSSIBLE)


def of_cause(item: SharedCause) -> Finding:
    """A cause with all clusters that have it, at the worst place of the first."""
    first, *others = item.clusters
    text = f"{item.shape}: {counted(len(item.clusters), 'cluster')}, {counted(item.pairs, 'broken pair')}"
    related = tuple(Label(inside(one.cluster, one.worst.at), f"{one.cluster}: {one.worst.message}") for one in others)
    at = inside(first.cluster, first.worst.at)
    return Finding("shared-cause", Severity.ERROR, text, at, related=related, note=first.worst.message)


def of_rules(answer: Answer) -> Iterator[Finding]:
    """The first finding of each rule in a cluster, with how many there are."""
    for item in answer.rules:
        more = f" ({item.count} of them)" if item.count > 1 else ""
        yield Finding(item.rule, item.severity, f"{answer.name}: {item.message}{more}", inside(answer.name, item.at))


def inside(cluster: str, at: Span) -> Span:
    """A place in a cluster's input."""
    return at._replace(path=f"{cluster}/{at.path}")


def sections(found: Fleet) -> Iterator[str]:
    """The parts of the page."""
    yield missing(found)
    yield guarantees(found)
    if found.causes:
        yield section("causes", "Causes", "".join(map(cause, found.causes)))
    rules = [
        (
            pill(item.severity.value, item.severity.value),
            shown(item.rule),
            shown(item.count),
            few([f"{name} {one.count}" for name, one in item.clusters]),
        )
        for item in found.rules
    ]
    if rules:
        heads = ("severity", "rule", "findings", "clusters")
        yield section("findings", "Findings", table(heads, rules, "Findings by rule"))
    clusters = [
        (
            shown(item.name),
            pill(STATES[item.status], ROLES[item.status]),
            shown(item.inputs),
            shown(item.gaps),
            shown(item.ignored),
        )
        for item in found.answers
    ]
    states = ("cluster", "", "files", "gaps", "ignored")
    yield section("clusters", "Clusters", table(states, clusters, "Clusters"))


def missing(found: Fleet) -> str:
    """The clusters without an answer."""
    rows = [(shown(item.name), shown(item.missing)) for item in found.missing]
    return section("missing", "Without an answer", table(("cluster", "why"), rows, "Clusters without an answer")) if rows else ""


def guarantees(found: Fleet) -> str:
    """The guarantees with the clusters of each verdict."""
    rows = [
        (shown(item.id), few(item.fails), few(item.undecided), few(item.excused), shown(len(item.proved)))
        for item in found.guarantees
        if item.fails or item.undecided or item.excused or item.proved
    ]
    heads = ("guarantee", "refuted", "undecided", "excused", "proved")
    return section("guarantees", "Guarantees", table(heads, rows, "Guarantees by cluster")) if rows else ""


def cause(item: SharedCause) -> str:
    """A cause with its clusters."""
    lines = "".join(
        tag("li", shown(f"{one.cluster}: {one.worst.message} ({counted(one.pairs, 'pair')}; {one.worst.at})"))
        for one in item.clusters
    )
    fix = tag("p", shown(item.fix), kind="help") if item.fix else ""
    return tag("article", tag("h3", shown(f"{item.shape} ({counted(len(item.clusters), 'cluster')})")) + tag("ul", lines) + fix)


def few(names: list[str] | tuple[str, ...]) -> str:
    """The first few names."""
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return shown(", ".join(names[:FEW]) + more)
