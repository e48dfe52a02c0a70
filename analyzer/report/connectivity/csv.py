"""A line for each pair and protocol, for spreadsheets: texts that these would take for formulas are marked as text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from analyzer.query.connectivity.answer import Link, by_source
from analyzer.report.connectivity import Answer, ConnectivityFormat
from analyzer.report.style import Style, safe

HEAD = ("from", "to", "protocol", "ports", "numbers", "source_ports", "family", "certain", "reason")
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write(answer: Answer, style: Style) -> Iterator[str]:
    """The pairs as CSV (RFC 4180, lines end in a line feed), in order of their ends."""
    del style
    yield table([HEAD])
    for links in (answer.found.links, answer.found.uncertain):
        for source, own in by_source(links):
            yield table(sorted(rows(source, own, alone=source in answer.found.singles)))


def table(rows: Iterable[tuple[str, ...]]) -> str:
    """Lines of CSV."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()


def rows(source: str, links: Iterable[Link], *, alone: bool) -> Iterator[tuple[str, ...]]:
    """The lines of a source; ``alone``: not to itself."""
    for link in links:
        ends = [(text(source), text(other)) for other in link.destinations if not (alone and other == source)]
        family, certain = str(link.family or ""), "no" if link.why else "yes"
        for item in link.allow:
            what = item.protocol, item.ports_text(), item.numbers_text(), item.sources_text().removeprefix("from ")
            yield from ((*pair, *what, family, certain, text(link.why)) for pair in ends)


def text(value: str) -> str:
    """A text that is no formula."""
    return f"'{safe(value)}" if value.startswith(FORMULA) else safe(value)


FORMAT = ConnectivityFormat("csv", write)
