"""Markdown for a merge request or a job's summary: the verdicts as a table, causes and findings with their details folded away.

It stays below the 65,536 characters that a comment on GitHub may have; what does not fit is counted. Text from the input stands in table cells and
summaries escaped, and in code blocks whose fence it cannot close; it mentions nobody and begins no line outside of a block.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from analyzer.findings import Cause, Finding, Guarantee, Report, Verdict
from analyzer.report import Format
from analyzer.report.markdown_text import CELL, cut, folded, in_html
from analyzer.report.markdown_text import table as markdown_table
from analyzer.report.problems import outcome, pairs
from analyzer.report.style import Style
from analyzer.report.text import ORDER, assumption_lines, cause_lines, finding_lines, gap_lines, refutation_lines, unexplained

LIMIT, FEW = 60_000, 20
MARKER = "<!-- analyze -->"


def write(report: Report, style: Style) -> str:
    """The comment. Its first line is a mark by which a later run finds it."""
    plain = Style(verbose=style.verbose)
    sources = {source.path: source for source in report.sources}
    head = [MARKER, f"### analyze: {outcome(report)}", f"{counted(report)}."]
    shown = [item for item in report.guarantees if item.verdict is not Verdict.NOT_APPLICABLE or style.verbose]
    head += [table(shown)] if shown else []
    parts = [folded(cause_title(item), cause_lines(item, sources, plain)) for item in report.causes]
    alone = (item for item in report.guarantees if unexplained(item, report))
    parts += [folded(guarantee_title(item), refutation_lines(item, sources, plain)) for item in alone]
    parts += [folded(finding_title(item), finding_lines(item, sources, plain)) for item in report.findings]
    foot = [
        folded(title("taken for granted"), assumption_lines(report, plain), FEW),
        folded(gaps_title(report), gap_lines(report.gaps, plain), FEW),
    ]
    return "\n\n".join([*head, *fitting(parts, LIMIT - sum(map(len, (*head, *foot)))), *filter(None, foot)]) + "\n"


def counted(report: Report) -> str:
    """What there is, in numbers."""
    verdicts = [
        (word, sum(item.verdict is word for item in report.guarantees)) for word in ORDER if word is not Verdict.NOT_APPLICABLE
    ]
    things = (("cause", len(report.causes)), ("finding", len(report.findings)), ("gap", len(report.gaps)))
    guarantees = ", ".join(f"{count} {word.value}" for word, count in verdicts)
    others = ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for name, count in things)
    return f"Guarantees: {guarantees}; {others}"


def table(guarantees: Iterable[Guarantee]) -> str:
    """The verdicts, the failing ones first."""
    ordered = sorted(guarantees, key=lambda item: (bool(item.excused), ORDER[item.verdict]))
    return markdown_table(("guarantee", "verdict", "over", "why"), map(row, ordered))


def row(item: Guarantee) -> tuple[str, ...]:
    """A verdict as cells."""
    return item.id, item.verdict.value + (f" ({item.excused})" if item.excused else ""), cut(item.scope), cut(item.reason)


def title(text: str, word: str = "", at: str = "") -> str:
    """The line of a folded part, as HTML: Markdown is not read there."""
    told = f"<b>{word}</b>: {in_html(text)}" if word else in_html(text)
    return f"{told} ({in_html(at)})" if at else told


def cause_title(item: Cause) -> str:
    """A cause in a line."""
    return title(f"{item.message[:CELL]} ({pairs(item.pairs)})", "cause", str(item.at))


def guarantee_title(item: Guarantee) -> str:
    """A refuted guarantee in a line."""
    return title(f"{item.id}: {item.reason}", "refuted")


def finding_title(item: Finding) -> str:
    """A finding in a line."""
    return title(f"{item.rule}: {item.message}", item.severity.value, str(item.at))


def gaps_title(report: Report) -> str:
    """How many gaps there are."""
    return title(f"not understood ({len(report.gaps)})")


def fitting(parts: Sequence[str], room: int) -> list[str]:
    """The first parts that have room, and how many there are more."""
    shown: list[str] = []
    for part in parts:
        room -= len(part) + 2
        if room < 0:
            return [*shown, f"… and {len(parts) - len(shown)} more."]
        shown.append(part)
    return shown


FORMAT = Format("markdown", write, follows_paths=True)
