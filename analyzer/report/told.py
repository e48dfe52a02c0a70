"""Answers that are no reports (a trace, questions, a difference) in the formats that tools read: as results at places, a page, a picture, a comment."""

from __future__ import annotations

from dataclasses import dataclass

from analyzer.findings import Report
from analyzer.report import format_named
from analyzer.report.graphs import Graph, dot, mermaid
from analyzer.report.page.shell import page
from analyzer.report.style import Style


@dataclass(frozen=True, slots=True)
class Told:
    """An answer in the parts that formats are made of. ``report`` says it as guarantees, intents and findings, at paths from the current folder; ``strip`` (the
    answer in a line) and ``sections`` are HTML; ``graph`` is drawn under the ``name`` of the command; ``markdown`` ends in a line end."""

    name: str
    title: str
    report: Report
    strip: str
    sections: tuple[str, ...]
    graph: Graph
    markdown: str


def write(format: str, told: Told, style: Style) -> str:
    """The answer in a format: ``html``, ``dot``, ``mermaid``, ``markdown``, or one that is written from a report."""
    match format:
        case "html":
            return page(told.title, told.sections, told.strip)
        case "dot":
            return dot(told.graph, told.name)
        case "mermaid":
            return mermaid(told.graph)
        case "markdown":
            return told.markdown
        case _:
            return format_named(format).write(told.report, style)
