"""Verdicts, causes, findings, what does not count, and what could not be known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from analyzer.findings import Cause, Certainty, Counterexample, Finding, Fix, Guarantee, Label, Report, Severity, Verdict
from analyzer.report.excerpt import window
from analyzer.report.page.path import ladder
from analyzer.report.page.text import count, section, shown, table, tag
from analyzer.solve.packet import Hop
from analyzer.source import Source, Span

Sources = Mapping[str, Source]
ORDER = {Verdict.REFUTED: 0, Verdict.UNDECIDED: 1, Verdict.PROVED: 2, Verdict.NOT_APPLICABLE: 3}


def strip(report: Report) -> str:
    """The outcome in a line, and a chip for each guarantee that applies."""
    fails = [item for item in report.guarantees if item.fails]
    errors = sum(item.severity is Severity.ERROR for item in report.findings)
    word, kind = ("something is wrong", "bad") if fails or errors else ("nothing is known to be wrong", "good")
    if kind == "good" and report.findings:
        word, kind = "there is something to look at", "unsure"
    elif kind == "good" and (report.gaps or any(item.verdict is Verdict.UNDECIDED for item in report.guarantees)):
        word, kind = "nothing is known to be wrong, but not everything could be decided", "unsure"
    numbers = (count(len(report.causes), "cause"), count(len(report.findings), "finding"), count(len(report.gaps), "gap"))
    chips = [chip(item) for item in ordered(report.guarantees) if item.verdict is not Verdict.NOT_APPLICABLE]
    head = tag("p", tag("strong", shown(word), kind=kind) + f" · {' · '.join(numbers)}", kind="outcome")
    return head + (tag("ul", "".join(chips), kind="chips") if chips else "")


def chip(item: Guarantee) -> str:
    """A guarantee in a word, leading to its row."""
    text = f"{item.verdict.value}{' (' + item.excused + ')' if item.excused else ''}"
    return tag("li", tag("a", shown(item.id) + " " + tag("b", shown(text)), href=f"#guarantee-{item.id}"), kind=kind_of(item))


def kind_of(item: Guarantee) -> str:
    """The class of a verdict."""
    if item.excused:
        return "dim"
    return {"proved": "good", "refuted": "bad", "undecided": "unsure"}.get(item.verdict.value, "dim")


def ordered(items: Iterable[Guarantee]) -> list[Guarantee]:
    """The failing ones first."""
    return sorted(items, key=lambda item: (bool(item.excused), ORDER[item.verdict]))


def guarantees(report: Report) -> str:
    """The verdicts, each with its packet."""
    parts = [guarantee(item) for item in ordered(report.guarantees) if item.verdict is not Verdict.NOT_APPLICABLE]
    aside = [(shown(item.id), shown(item.reason)) for item in report.guarantees if item.verdict is Verdict.NOT_APPLICABLE]
    if aside:
        whole = table(("guarantee", "why"), aside, "Guarantees that do not apply")
        parts.append(tag("details", tag("summary", f"{len(aside)} that this input does not decide", kind="dim") + whole))
    return section("guarantees", "Guarantees", "".join(parts))


def guarantee(item: Guarantee) -> str:
    """A verdict with its packet."""
    verdict = tag("b", shown(item.verdict.value), kind=kind_of(item))
    head = f"{shown(item.id)} {verdict} {tag('span', shown(item.scope), kind='dim')}"
    inside = tag("p", shown(item.excused or item.reason or "it holds for every packet")) + assumptions(item.assumptions)
    inside += shown_packet(item.counterexample)
    return tag("details", tag("summary", head) + inside, id=f"guarantee-{item.id}", open=item.fails)


def intents(report: Report) -> str:
    """The team's intents."""
    if not report.intents:
        return ""
    rows = [
        (shown(item.name), tag("b", shown(item.verdict.value), kind=item.verdict.value), shown(item.statement))
        for item in report.intents
    ]
    return section("intents", "Intents", table(("intent", "verdict", "what was found"), rows, "The team's intents"))


def assumptions(texts: Iterable[str]) -> str:
    """What a verdict takes for granted."""
    items = "".join(tag("li", shown(text)) for text in texts)
    return tag("details", tag("summary", "taken for granted") + tag("ul", items)) if items else ""


def causes(report: Report, sources: Sources) -> str:
    """The lines that explain the broken pairs."""
    return section("causes", "Causes", "".join(cause(item, sources) for item in report.causes)) if report.causes else ""


def cause(item: Cause, sources: Sources) -> str:
    """A cause."""
    head = tag("h3", f"{shown(item.message)} {tag('span', count(item.pairs, 'broken pair'), kind='dim')}")
    return tag("article", head + places(item.at, item.related, sources) + remedy(item.fix) + shown_packet(item.counterexample))


def findings(report: Report, sources: Sources) -> str:
    """What the rules found, with a filter; works without it."""
    if not report.findings:
        return section("findings", "Findings", tag("p", "none"))
    counts = Counter(item.severity for item in report.findings)
    boxes = "".join(
        tag("label", f'<input type="checkbox" value="{severity.value}" checked> {severity.value} ({counts[severity]})')
        for severity in Severity
        if counts[severity]
    )
    form = tag("label", 'Find <input type="search" id="find-finding" placeholder="rule, file or words">') + boxes
    found = "".join(finding(item, sources) for item in report.findings)
    output = tag("output", "", id="found-findings", aria_live="polite")
    return section(
        "findings", "Findings", tag("form", form + output, id="filter", role="search") + tag("div", found, id="finding-list")
    )


def finding(item: Finding, sources: Sources) -> str:
    """A finding; its lines are shown when it is opened."""
    doubt = " (possible)" if item.certainty is Certainty.POSSIBLE else ""
    head = tag("b", f"{item.severity.value}{doubt}", kind=item.severity.value) + " " + shown(item.message)
    head += (
        " " + tag("code", shown(item.rule), kind="dim") + " " + tag("span", shown(f"{item.at.path}:{item.at.line}"), kind="dim")
    )
    inside = places(item.at, item.related, sources)
    inside += tag("p", shown(item.note)) if item.note else ""
    inside += remedy(item.fix) + shown_packet(item.counterexample)
    return tag("details", tag("summary", head) + inside, kind="finding", data_severity=item.severity.value)


def places(at: Span, related: Iterable[Label], sources: Sources) -> str:
    """A place with its line, and the related ones."""
    lines = [line(at, "", sources)] + [line(label.at, label.text, sources) for label in related if label.at != at]
    return tag("div", "".join(lines), kind="places")


def line(at: Span, text: str, sources: Sources) -> str:
    """A line of the input with the part that matters marked."""
    source = sources.get(at.path)
    words = source.line(at.line) if source else ""
    head = tag("span", shown(str(at)), kind="dim") + (f" {shown(text)}" if text else "")
    if not words.strip():
        return tag("div", head)
    part, start, length = window(words, at)
    marked = shown(part[:start]) + tag("mark", shown(part[start : start + length])) + shown(part[start + length :])
    return tag("div", head + tag("pre", tag("span", str(at.line), kind="number", aria_hidden="true") + marked, tabindex="0"))


def remedy(fix: Fix | None) -> str:
    """What would mend it."""
    return tag("p", tag("b", "help") + " " + shown(fix.text), kind="help") if fix else ""


def shown_packet(item: Counterexample | None) -> str:
    """A packet, where there is one."""
    return packet(item) if item else ""


def packet(item: Counterexample) -> str:
    """A packet, its path as a picture, and its hops as a table."""
    text = tag("p", f"{tag('b', 'packet')} {shown(str(item.packet))}: {shown(item.reason)}")
    return tag("div", text + ladder(item.hops) + hop_table(item.hops), kind="packet")


def hop_table(hops: Sequence[Hop]) -> str:
    """The hops as a table that can be unfolded; nothing where there are none."""
    rows = [
        (
            str(number),
            shown(hop.place),
            shown(hop.stage),
            shown(hop.what),
            shown(f"{hop.at.path}:{hop.at.line}") if hop.at else "",
            "back" if hop.reply else "",
        )
        for number, hop in enumerate(hops, 1)
    ]
    whole = table(("", "where", "stage", "what", "decided by", "way"), rows, "The hops of the packet")
    return tag("details", tag("summary", count(len(rows), "hop")) + whole) if rows else ""


def unknown(report: Report) -> str:
    """Gaps, what is ignored, and the inputs."""
    parts = []
    if report.gaps:
        rows = [(shown(str(gap.at)), shown(gap.reason)) for gap in report.gaps]
        parts.append(
            tag(
                "details",
                tag("summary", count(len(rows), "gap") + ": not understood or not read") + table(("where", "why"), rows, "Gaps"),
            )
        )
    if report.suppressed:
        ignored = [
            (
                shown(str(item.finding.at)),
                shown(item.finding.rule),
                shown(item.finding.message),
                shown(item.by.value),
                shown(item.reason),
            )
            for item in report.suppressed
        ]
        whole = table(("where", "rule", "what", "by", "why"), ignored, "Ignored findings")
        parts.append(tag("details", tag("summary", count(len(ignored), "finding") + " that do not count") + whole))
    inputs = [(shown(source.path), shown(source.kind), f"{len(source.text):,}") for source in report.sources]
    whole = table(("file", "read as", "characters"), inputs, "Inputs")
    parts.append(tag("details", tag("summary", count(len(inputs), "input")) + whole))
    return section("coverage", "What was read, and what could not be known", "".join(parts))


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
