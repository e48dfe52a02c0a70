"""GitLab Code Quality: https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format.

Of two entries with one fingerprint GitLab shows the first only, so equal ones are numbered; no fingerprint depends on a line's number.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from analyzer.findings import Report, Severity
from analyzer.report import Format
from analyzer.report.problems import Problem, failed, numbered, problems, undecided
from analyzer.report.style import Style, safe, safe_lines
from analyzer.source import Span

SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "major", Severity.NOTE: "info"}


def write(report: Report, style: Style) -> str:
    """The array; empty when all is well, which closes what was known."""
    del style
    entries = [problem(item, number) for item, number in numbered(problems(report, explained=False))]
    return json.dumps([*entries, *incomplete(report)], indent=1, ensure_ascii=True) + "\n"


def problem(item: Problem, number: int) -> dict[str, Any]:
    """A problem; the remedy belongs to the description, as there is no other field for it."""
    text = f"{item.message} (help: {item.fix.text})" if item.fix else item.message
    mark = item.mark if number == 1 else digest(item.mark, str(number))
    return entry(item.rule, text, mark, SEVERITIES[item.severity], item.at)


def incomplete(report: Report) -> Iterator[dict[str, Any]]:
    """What was not understood or not decided; an entry needs a place, so what has none stands at the first input."""
    first = Span(report.sources[0].path, 1) if report.sources else None
    for guarantee in undecided(report):
        mark = digest("undecided", guarantee.id)
        yield entry(guarantee.id, f"{guarantee.id} is undecided: {guarantee.reason}", mark, "minor", first)
    for finding in failed(report):
        yield entry(finding.rule, finding.message, digest("failed", finding.message), "minor", first)
    seen: Counter[tuple[str, str]] = Counter()
    for gap in report.gaps:
        seen[gap.at.path, gap.reason] += 1
        mark = digest("gap", gap.at.path, gap.reason, str(seen[gap.at.path, gap.reason]))
        yield entry("gap", f"not understood: {gap.reason}", mark, "info", gap.at)


def digest(*parts: str) -> str:
    """A fingerprint."""
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def entry(name: str, text: str, mark: str, severity: str, at: Span | None) -> dict[str, Any]:
    """One entry, each documented field."""
    return {
        "description": safe_lines(text).replace("\n", " "),
        "check_name": safe(name),
        "fingerprint": mark,
        "severity": severity,
        "location": {"path": safe(at.path) if at else "-", "lines": {"begin": max(1, at.line) if at else 1}},
    }


FORMAT = Format("gitlab", write, follows_paths=True)
