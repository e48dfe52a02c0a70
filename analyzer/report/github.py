"""Workflow commands of GitHub Actions: an annotation at each problem of a pull request.

Escaped as ``escapeData`` and ``escapeProperty`` of actions/toolkit do, so that a line is one command whatever its text. A step shows ten annotations
of each kind, so causes and the worst findings come first, and gaps beyond nine become one.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.findings import Report, Severity
from analyzer.report import Format
from analyzer.report.problems import Problem, failed, problems, undecided
from analyzer.report.style import Style, safe_lines
from analyzer.source import Gap, Span

COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}
DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
PROPERTY = DATA | str.maketrans({":": "%3A", ",": "%2C"})
GAPS = 9


def write(report: Report, style: Style) -> str:
    """A command a line; nothing when all is well."""
    del style
    lines = [annotation(item) for item in problems(report, explained=False)]
    lines += [command("warning", f"{item.id} undecided", item.reason or item.scope, None) for item in undecided(report)]
    lines += [command("warning", "a rule failed", item.message, None) for item in failed(report)]
    return "".join(f"{line}\n" for line in (*lines, *gap_lines(report.gaps)))


def annotation(item: Problem) -> str:
    """A problem, its related places, note, packet and remedy below its message."""
    lines = [item.message, *(f"{label.at}: {label.text}" for label in item.related)]
    lines += [f"note: {item.note}"] if item.note else []
    lines += [f"packet: {item.counterexample.packet}"] if item.counterexample else []
    lines += [f"help: {item.fix.text}"] if item.fix else []
    return command(COMMANDS[item.severity], item.rule, "\n".join(lines), item.at)


def gap_lines(gaps: tuple[Gap, ...]) -> Iterator[str]:
    """The first gaps each, the others as one."""
    shown = gaps if len(gaps) <= GAPS + 1 else gaps[:GAPS]
    for gap in shown:
        yield command("notice", "not understood", gap.reason, gap.at)
    if len(gaps) > len(shown):
        yield command("notice", "not understood", f"{len(gaps) - len(shown)} more parts of the input were not understood", None)


def command(name: str, title: str, text: str, at: Span | None) -> str:
    """One command. Columns are given where the place is within one line only, as annotations of several lines have none."""
    properties = {"file": at.path, "line": str(at.line)} if at else {}
    if at and at.end_line > at.line:
        properties["endLine"] = str(at.end_line)
    elif at:
        properties["col"] = str(at.column)
        properties |= {"endLine": str(at.line), "endColumn": str(at.end_column)} if at.end_column > at.column else {}
    properties["title"] = title
    parts = ",".join(f"{key}={safe_lines(value).translate(PROPERTY)}" for key, value in properties.items())
    return f"::{name} {parts}::{safe_lines(text).translate(DATA)}"


FORMAT = Format("github", write, follows_paths=True)
