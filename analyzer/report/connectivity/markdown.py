"""The answer for a merge request: a table of who may talk to whom, and of what is let in through services and routes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from analyzer.query.connectivity.answer import Link
from analyzer.query.connectivity.entrances import Entrance
from analyzer.report.connectivity import Answer, ConnectivityFormat
from analyzer.report.connectivity._names import Known, asked, described, known, words
from analyzer.report.connectivity._told import VERDICTS
from analyzer.report.markdown_text import cut, table
from analyzer.report.style import Style

MOST, NAMES = 200, 12


def write(answer: Answer, style: Style) -> Iterator[str]:
    """Tables; rows that are too many for a comment are counted."""
    del style
    yield "### analyze connectivity\n\n"
    there = known(answer.found)
    heads = ("from", "to", "what passes")
    yield shown(heads, (row(link, there) for link in answer.found.links)) or "Nobody may talk to anybody.\n\n"
    yield shown((*heads, "why it is not certain"), ((*row(link, there), link.why) for link in answer.found.uncertain))
    yield shown(("through", "name", "requests", "from", "to", "what passes", "why"), map(through, answer.entrances))
    yield f"Policies read as by the network system: {answer.profile}.\n"


def row(link: Link, there: Known) -> tuple[str, ...]:
    """A link as cells."""
    family = f" (IPv{link.family} only)" if link.family else ""
    return *(", ".join(described(side, there, NAMES)) for side in (link.sources, link.destinations)), words(link.allow) + family


def through(way: Entrance) -> tuple[str, ...]:
    """A way in as cells."""
    ends = way.source, f"{VERDICTS[way.admitted]} {way.destination}"
    return way.kind, way.name, asked(way.requests, NAMES), *ends, words(way.allow), way.why


def shown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with the first of its rows; nothing without rows."""
    every = [tuple(cut(cell) for cell in item) for item in rows]
    if not every:
        return ""
    left = f"\n\n… and {len(every) - MOST} more" if len(every) > MOST else ""
    return table(heads, every[:MOST]) + left + "\n\n"


FORMAT = ConnectivityFormat("markdown", write)
