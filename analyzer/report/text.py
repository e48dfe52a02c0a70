"""The report for people: the guarantees, then the causes, then the findings, then what could not be known.

Where the input decides no guarantee, as manifests alone do not, that is said last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from analyzer.findings import Cause, Certainty, Counterexample, Finding, Fix, Guarantee, Ignored, Report, Suppressed, Verdict
from analyzer.report import Format
from analyzer.report.assumptions import assumptions, together
from analyzer.report.excerpt import excerpt, indented
from analyzer.report.hops import hop_lines
from analyzer.report.style import Style, safe
from analyzer.source import Gap, Source

ROLES = {Verdict.PROVED: "good", Verdict.REFUTED: "bad", Verdict.UNDECIDED: "unsure", Verdict.NOT_APPLICABLE: "dim"}
ORDER = {Verdict.REFUTED: 0, Verdict.UNDECIDED: 1, Verdict.PROVED: 2, Verdict.NOT_APPLICABLE: 3}
GAPS_SHOWN, REASON = 10, 200
OF_PODS = "their network namespaces (analyze collect) and kubectl get pods -A -o yaml do"


def write(report: Report, style: Style) -> str:
    """The whole report as text."""
    sources = {source.path: source for source in report.sources}
    parts = [guarantee_lines(report, style), intent_lines(report, style)]
    parts += [cause_lines(cause, sources, style) for cause in report.causes]
    parts += [refutation_lines(item, sources, style) for item in report.guarantees if unexplained(item, report)]
    parts += [finding_lines(finding, sources, style) for finding in report.findings]
    parts += [
        none_lines(report, style),
        suppressed_lines(report, style),
        assumption_lines(report, style),
        gap_lines(report.gaps, style),
        undecidable_lines(report, style),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def guarantee_lines(report: Report, style: Style) -> list[str]:
    """A line for each guarantee, the failing ones first; those that do not apply only when asked for."""
    shown = [g for g in report.guarantees if g.verdict is not Verdict.NOT_APPLICABLE or style.verbose]
    if not shown:
        return []
    width = max(len(guarantee.id) for guarantee in shown)
    shown.sort(key=lambda guarantee: (bool(guarantee.excused), ORDER[guarantee.verdict]))
    return [style.paint("guarantees", "strong"), *(guarantee_line(item, report, width, style) for item in shown)]


def undecidable_lines(report: Report, style: Style) -> list[str]:
    """That the input decides no guarantee, where that is so and they are not listed with their reasons; else nothing."""
    if style.verbose or any(guarantee.verdict is not Verdict.NOT_APPLICABLE for guarantee in report.guarantees):
        return []
    text = "guarantees: none can be decided from this input; most need the state of nodes (analyze collect)"
    if any(source.scope and source.kind != "cni-config" for source in report.sources):
        text = f"guarantees: none can be decided, since this state of nodes tells of no pod; {OF_PODS}"
    return [style.paint(text, "dim")]


def guarantee_line(guarantee: Guarantee, report: Report, width: int, style: Style) -> str:
    """The verdict, what it was decided over, and why; where a cause below says why, only how many pairs fail."""
    verdict = style.paint(f"{guarantee.verdict:9}", "dim" if guarantee.excused else ROLES[guarantee.verdict])
    reason = f"{guarantee.excused}; {guarantee.reason}" if guarantee.accepted else guarantee.reason
    if explained(guarantee, report) and not style.verbose:
        reason = reason.partition(": ")[0]
    text = reason if style.verbose or len(reason) <= REASON else reason[:REASON] + "…"
    why = f": {safe(text)}" if text else ""
    why += f" ({guarantee.cross_checked})" if style.verbose and guarantee.cross_checked else ""
    return f"  {verdict}  {guarantee.id:{width}}  {safe(guarantee.scope)}{why}"


def intent_lines(report: Report, style: Style) -> list[str]:
    """A line for each intent that does not hold, and how many do; all of them where more is asked for."""
    if not report.intents:
        return []
    proved = sum(item.verdict is Verdict.PROVED for item in report.intents)
    head = f"{style.paint('intents', 'strong')}: {proved} of {len(report.intents)} hold"
    shown = [item for item in report.intents if style.verbose or item.verdict is not Verdict.PROVED]
    shown.sort(key=lambda item: ORDER[item.verdict])
    return [head, *(f"  {style.paint(f'{item.verdict:9}', ROLES[item.verdict])}  {safe(item.name)}" for item in shown)]


def cause_lines(cause: Cause, sources: Mapping[str, Source], style: Style) -> list[str]:
    """A cause with its places, its remedy and one packet that meets it."""
    pairs = f"{cause.pairs} broken pair{'s' if cause.pairs != 1 else ''}"
    head = f"{style.paint('cause', 'error')}: {style.paint(safe(cause.message), 'strong')} (explains {pairs}: {', '.join(cause.guarantees)})"
    lines = [head, *excerpt(sources, cause.at, cause.related, style)]
    return lines + tail(cause.fix, cause.counterexample, style)


def tail(fix: Fix | None, counterexample: Counterexample | None, style: Style) -> list[str]:
    """The help line and the packet, where there are any."""
    lines = [f"  {style.paint('= help:', 'place')} {safe(line)}" for line in (fix.text.splitlines() if fix else ())]
    if counterexample is not None:
        lines.append(f"  {style.paint('= packet:', 'place')} {counterexample.packet}")
        lines += indented(hop_lines(counterexample.hops, style), 4)
    return lines


def explained(guarantee: Guarantee, report: Report) -> bool:
    """Whether a cause says why the guarantee fails."""
    return guarantee.fails and any(guarantee.id in cause.guarantees for cause in report.causes)


def unexplained(guarantee: Guarantee, report: Report) -> bool:
    """Whether the guarantee fails, and no cause carries its packet."""
    return guarantee.fails and guarantee.counterexample is not None and not explained(guarantee, report)


def refutation_lines(guarantee: Guarantee, sources: Mapping[str, Source], style: Style) -> list[str]:
    """A refuted guarantee that no cause explains, with its packet."""
    shown = guarantee.counterexample
    assert shown is not None
    lines = [f"{style.paint('refuted', 'error')}: {style.paint(guarantee.id, 'strong')}: {safe(shown.reason)}"]
    if shown.at is not None:
        lines += excerpt(sources, shown.at, (), style)
    return lines + tail(None, shown, style)


def finding_lines(finding: Finding, sources: Mapping[str, Source], style: Style) -> list[str]:
    """A finding in the manner of a compiler: severity[rule], message, places, note, help, packet."""
    doubt = " (possible)" if finding.certainty is Certainty.POSSIBLE else ""
    head = (
        style.paint(f"{finding.severity}[{finding.rule}]", finding.severity)
        + f"{doubt}: {style.paint(safe(finding.message), 'strong')}"
    )
    lines = [head, *excerpt(sources, finding.at, finding.related, style)]
    if finding.note:
        lines.append(f"  {style.paint('= note:', 'place')} {safe(finding.note)}")
    return lines + tail(finding.fix, finding.counterexample, style)


def none_lines(report: Report, style: Style) -> list[str]:
    """That nothing was found, where that is so; else nothing."""
    wrong = report.findings or report.causes or any(guarantee.fails for guarantee in report.guarantees)
    return [] if wrong else [style.paint("findings: none", "good")]


def suppressed_lines(report: Report, style: Style) -> list[str]:
    """How many findings do not count, and by whose word; each of them where more is asked for."""
    counts = Counter(item.by for item in report.suppressed)
    if not counts:
        return []
    words = {
        Ignored.IN_SOURCE: "beside the lines",
        Ignored.SETTINGS: "by the settings",
        Ignored.BASELINE: "known from the baseline",
    }
    head = style.paint("ignored", "strong") + ": " + ", ".join(f"{counts[by]} {words[by]}" for by in Ignored if counts[by])
    if not style.verbose:
        return [f"{head} (-v shows them)"]
    return [head, *(suppressed_line(item) for item in report.suppressed)]


def suppressed_line(item: Suppressed) -> str:
    """A finding that does not count, in a line."""
    why = f" ({item.reason})" if item.reason else ""
    return f"  {safe(str(item.finding.at))}: {item.finding.severity}[{item.finding.rule}] {safe(item.finding.message + why)}"


def assumption_lines(report: Report, style: Style) -> list[str]:
    """What the verdicts take for granted, each once."""
    texts = assumptions(report)
    if not texts:
        return []
    places = frozenset(str(source.scope) for source in report.sources if source.scope)
    told = texts if style.verbose else together(texts, places)
    shown = told if style.verbose else told[:GAPS_SHOWN]
    more = [f"  … and {len(told) - len(shown)} more (-v shows all)"] if len(told) > len(shown) else []
    return [style.paint("taken for granted", "strong"), *(f"  {safe(text)}" for text in shown), *more]


def gap_lines(gaps: tuple[Gap, ...], style: Style) -> list[str]:
    """What was met and not understood; the first few unless all are asked for."""
    if not gaps:
        return []
    shown = gaps if style.verbose else gaps[:GAPS_SHOWN]
    more = [f"  … and {len(gaps) - len(shown)} more (-v shows all)"] if len(gaps) > len(shown) else []
    return [
        style.paint(f"not understood ({len(gaps)})", "strong"),
        *(f"  {style.paint(safe(str(gap.at)), 'place')}: {safe(gap.reason)}" for gap in shown),
        *more,
    ]


FORMAT = Format("text", write, follows_paths=True)
