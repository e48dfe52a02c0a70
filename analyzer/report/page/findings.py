"""What the rules found, and what of it is new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from analyzer.findings import Certainty, Finding, Report, Severity
from analyzer.report.page.evidence import Sources, places, remedy, shown_packet
from analyzer.report.page.text import count, pill, section, shown, table, tag

FEW, VERY_FEW, MANY = 20, 5, 500
"""More findings than FEW are put together by rule; up to VERY_FEW are open from the start. Of more than MANY those of closed rules stand in ``noscript``:
without the page's script they are there as ever, with it they are no elements before their rule is opened."""


def findings(report: Report, sources: Sources) -> str:
    """What the rules found, with a filter; works without it."""
    if not report.findings:
        return section("findings", "Findings", tag("p", "none"))
    shown_open = len(report.findings) <= VERY_FEW
    one_by_one = "".join(finding(item, sources, shown_open=shown_open) for item in report.findings)
    listed = one_by_one if len(report.findings) <= FEW else "".join(by_rule(report.findings, sources))
    return section("findings", "Findings", filter_form(report.findings) + tag("div", listed, id="finding-list"))


def filter_form(items: Sequence[Finding]) -> str:
    """The box to type into, and one to tick for each severity."""
    counts = Counter(item.severity for item in items)
    boxes = "".join(
        tag("label", f'<input type="checkbox" value="{severity.value}" checked> {count(counts[severity], severity.value)}')
        for severity in Severity
        if counts[severity]
    )
    field = tag("label", 'Find <input type="search" id="find-finding" placeholder="rule, file or words">')
    output = tag("output", "", id="found-findings", aria_live="polite")
    return tag("form", field + boxes + output, id="filter", role="search")


def by_rule(items: Sequence[Finding], sources: Sources) -> Iterator[str]:
    """The findings of each rule under one heading: the worst rules first, then those with most findings."""
    groups: dict[tuple[Severity, str], list[Finding]] = {}
    for item in items:
        groups.setdefault((item.severity, item.rule), []).append(item)
    worst = list(Severity)
    for (severity, rule), found in sorted(
        groups.items(), key=lambda group: (worst.index(group[0][0]), -len(group[1]), group[0][1])
    ):
        head = f"{pill(severity.value, severity.value)} {tag('code', shown(rule))} {tag('span', f'{len(found):,}', kind='dim')}"
        inside = "".join(finding(item, sources, shown_open=False, grouped=True) for item in found)
        shown_open = severity is Severity.ERROR and len(found) <= FEW
        inside = tag("noscript", inside) if len(items) > MANY and not shown_open else inside
        yield tag("details", tag("summary", head) + inside, kind="rule", open=shown_open)


def finding(item: Finding, sources: Sources, *, shown_open: bool, grouped: bool = False) -> str:
    """A finding; its lines are shown when it is opened. ``grouped``: it stands under its rule and severity, which need not be said again."""
    doubt = " (possible)" if item.certainty is Certainty.POSSIBLE else ""
    where = shown(item.at) if grouped else f"{tag('code', shown(item.rule))} · {shown(item.at)}"
    level = pill(f"{item.severity.value}{doubt}", item.severity.value) if doubt or not grouped else ""
    head = f"{level} {tag('span', shown(item.message), kind='said')}"
    inside = places(item.at, item.related, sources, named=False)
    inside += tag("p", shown(item.note)) if item.note else ""
    inside += remedy(item.fix) + shown_packet(item.counterexample)
    summary = tag("summary", head + tag("span", where, kind="where"))
    return tag("details", summary + inside, kind="finding", data_severity=item.severity.value, open=shown_open)


def changed(report: Report) -> str:
    """What is new against the baseline."""
    if not report.baseline:
        return ""
    known = [item for item in report.suppressed if item.by.value == "baseline"]
    text = f"{count(len(report.findings), 'finding')} new, {count(len(known), 'finding')} known from {report.baseline}"
    rules = Counter(item.rule for item in report.findings)
    rows = [(shown(rule), str(number)) for rule, number in sorted(rules.items())]
    return section(
        "changed", "What changed", tag("p", shown(text)) + (table(("rule", "new"), rows, "New findings by rule") if rows else "")
    )
