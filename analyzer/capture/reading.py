"""``facts``: every source through its parser."""

from __future__ import annotations

from collections.abc import Sequence

from analyzer.capture.loading import FAILED
from analyzer.capture.recognise import parser_of
from analyzer.facts.base import Fact
from analyzer.memory import without_cycles
from analyzer.parsers import read
from analyzer.source import Gap, Source, Span


def facts(sources: Sequence[Source]) -> tuple[tuple[Fact, ...], tuple[Gap, ...]]:
    """The facts of all sources in their order, and the gaps; nothing in a source raises."""
    known = {kind: (parser, parser.reader()) for kind in {source.kind for source in sources} if (parser := parser_of(kind))}
    found: list[Fact] = []
    gaps: list[Gap] = []
    with without_cycles():
        for source in sources:
            if source.kind == FAILED:
                gaps.append(failure(source))
            if source.kind not in known:
                continue
            parser, reader = known[source.kind]
            for item in read(parser, source, reader):
                if isinstance(item, Gap):
                    gaps.append(item)
                else:
                    found.append(item)
    return tuple(found), tuple(gaps)


def failure(source: Source) -> Gap:
    """What a command said that failed when the node was captured."""
    said = " ".join(source.text.split())[:300]
    return Gap(Span(source.path, 1), f"could not be captured: {said}", source.subject, source.scope)
