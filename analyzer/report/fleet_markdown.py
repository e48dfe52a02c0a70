"""The answer of ``analyze fleet`` as Markdown, for a merge request or a job's summary. It stays below what a comment may have; what does not fit is counted."""

from __future__ import annotations

from collections.abc import Sequence

from analyzer.query.fleet.merging import Fleet
from analyzer.report.fleet import cause_lines, counted, head, unread_lines
from analyzer.report.markdown import LIMIT, fitting, title
from analyzer.report.markdown_text import CELL, escaped, folded
from analyzer.report.style import Style

FEW = 5


def write(found: Fleet, style: Style) -> str:
    """Tables, with causes folded away below."""
    plain = Style(verbose=style.verbose)
    parts = ["<!-- analyze -->", f"### analyze fleet: {escaped(head(found, plain))}"]
    tables = [
        table(("without an answer", "why"), [(item.name, item.missing) for item in found.missing]),
        guarantees(found),
        rules(found),
    ]
    details = [
        folded(title(f"{item.shape} ({counted(len(item.clusters), 'cluster')})", "cause"), cause_lines(item, plain))
        for item in found.causes
    ]
    details.append(folded(title("not read"), unread_lines(found, plain)))
    return "\n\n".join([*parts, *fitting([part for part in (*tables, *details) if part], LIMIT)]) + "\n"


def table(names: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table; nothing without rows."""
    if not rows:
        return ""
    lines = [f"| {' | '.join(escaped(cell[:CELL]) for cell in row)} |" for row in rows[: LIMIT // 600]]
    more = [f"| … and {len(rows) - len(lines)} more |{' |' * (len(names) - 1)}"] if len(rows) > len(lines) else []
    return "\n".join([f"| {' | '.join(names)} |", f"|{'---|' * len(names)}", *lines, *more])


def guarantees(found: Fleet) -> str:
    """The guarantees with the clusters of each verdict."""
    rows = [
        (item.id, few(item.fails), few(item.undecided), few(item.excused), str(len(item.proved)))
        for item in found.guarantees
        if item.fails or item.undecided or item.excused or item.proved
    ]
    return table(("guarantee", "refuted", "undecided", "excused", "proved"), rows)


def rules(found: Fleet) -> str:
    """The rules with what they find."""
    rows = [
        (item.severity.value, item.rule, str(item.count), few([f"{name} {count.count}" for name, count in item.clusters]))
        for item in found.rules
    ]
    return table(("severity", "rule", "findings", "clusters"), rows)


def few(names: Sequence[str]) -> str:
    """The first few names."""
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return ", ".join(names[:FEW]) + more
