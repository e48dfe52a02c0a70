"""A line for each pair and protocol, for spreadsheets: texts that these would take for formulas are marked as text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from analyzer.query.connectivity import Connectivity, Link
from analyzer.report.connectivity import Answer, ConnectivityFormat
from analyzer.report.style import Style, safe

HEAD = ("from", "to", "protocol", "ports", "numbers", "source_ports", "family", "certain", "reason")
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write(answer: Answer, style: Style) -> str:
    """The pairs as CSV (RFC 4180, lines end in a line feed)."""
    del style
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(HEAD)
    writer.writerows(sorted(rows(answer.found, answer.found.links)))
    writer.writerows(sorted(rows(answer.found, answer.found.uncertain)))
    return file.getvalue()


def rows(found: Connectivity, links: tuple[Link, ...]) -> Iterator[tuple[str, ...]]:
    """The lines of links."""
    for pair in found.pairs(links):
        for item in pair.link.allow:
            ends = text(pair.source), text(pair.destination)
            what = item.protocol, item.ports_text(), item.numbers_text(), item.sources_text().removeprefix("from ")
            family = str(pair.link.family or "")
            yield (*ends, *what, family, "no" if pair.link.why else "yes", text(pair.link.why))


def text(value: str) -> str:
    """A text that is no formula."""
    return f"'{safe(value)}" if value.startswith(FORMULA) else safe(value)


FORMAT = ConnectivityFormat("csv", write)
