"""Verdicts, intents, causes, and what could not be known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from analyzer.findings import Cause, Guarantee, Report, Severity, Verdict
from analyzer.report.page.evidence import Sources, places, remedy, shown_packet
from analyzer.report.page.text import banner, count, pill, section, shown, table, tag
from analyzer.report.problems import Outcome, outcome

ORDER = {Verdict.REFUTED: 0, Verdict.UNDECIDED: 1, Verdict.PROVED: 2, Verdict.NOT_APPLICABLE: 3}


def strip(report: Report) -> str:
    """The outcome in a line, and a chip for each guarantee that applies."""
    word = outcome(report)
    found = Counter(item.severity for item in report.findings)
    numbers = [count(len(report.causes), "cause")] if report.causes else []
    numbers += [count(found[severity], severity.value) for severity in Severity if found[severity]] or ["no findings"]
    numbers += [count(len(report.gaps), "gap")] if report.gaps else []
    chips = [chip(item) for item in ordered(report.guarantees) if item.verdict is not Verdict.NOT_APPLICABLE]
    head = banner(word, {Outcome.WRONG: "bad", Outcome.CLEAN: "good"}.get(word, "unsure"), *numbers)
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
    """The verdicts, each with its packet, where no cause shows it."""
    parts = [guarantee(item, report) for item in ordered(report.guarantees) if item.verdict is not Verdict.NOT_APPLICABLE]
    aside = [(shown(item.id), shown(item.reason)) for item in report.guarantees if item.verdict is Verdict.NOT_APPLICABLE]
    if aside:
        whole = table(("guarantee", "why"), aside, "Guarantees that do not apply")
        parts.append(tag("details", tag("summary", f"{len(aside)} that this input does not decide", kind="dim") + whole))
    return section("guarantees", "Guarantees", "".join(parts))


def guarantee(item: Guarantee, report: Report) -> str:
    """A verdict with its packet; where a cause shows one already, what leads there."""
    head = f"{pill(item.verdict.value, kind_of(item))} {tag('code', shown(item.id))} {tag('span', shown(item.scope), kind='dim')}"
    inside = tag("p", shown(item.excused or item.reason or "it holds for every packet")) + assumptions(item.assumptions)
    explained = any(item.id in cause.guarantees for cause in report.causes)
    inside += tag("p", tag("a", "its causes", href="#causes")) if explained else shown_packet(item.counterexample)
    return tag("details", tag("summary", head) + inside, id=f"guarantee-{item.id}", open=item.fails)


def intents(report: Report) -> str:
    """The team's intents."""
    if not report.intents:
        return ""
    rows = [(shown(item.name), pill(item.verdict.value, item.verdict.value), shown(item.statement)) for item in report.intents]
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
        parts.append(tag("details", tag("summary", count(len(ignored), "ignored finding")) + whole))
    inputs = [(shown(source.path), shown(source.kind), f"{source.length:,}") for source in report.sources]
    whole = table(("file", "read as", "characters"), inputs, "Inputs")
    parts.append(tag("details", tag("summary", count(len(inputs), "input")) + whole))
    return section("coverage", "What was read, and what could not be known", "".join(parts))
