"""A line for each pair, for ``grep`` and ``sort``."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.query.connectivity.answer import Link
from analyzer.report.connectivity import Answer, ConnectivityFormat
from analyzer.report.connectivity._names import words
from analyzer.report.style import Style, safe


def write(answer: Answer, style: Style) -> Iterator[str]:
    """``source -> destination: what``; a pair that is not certain says why."""
    del style
    for links in (answer.found.links, answer.found.uncertain):
        yield from lines(answer, links)


def lines(answer: Answer, links: tuple[Link, ...]) -> Iterator[str]:
    """The lines of links, in their order."""
    for pair in answer.found.pairs(links):
        doubt = f" (not certain: {pair.link.why})" if pair.link.why else ""
        family = f" (IPv{pair.link.family} only)" if pair.link.family else ""
        yield safe(f"{pair.source} -> {pair.destination}: {words(pair.link.allow)}{family}{doubt}").replace("\n", " ") + "\n"


FORMAT = ConnectivityFormat("concise", write)
