"""``facts``: every source through its parser."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from analyzer.capture.recognise import parser_of
from analyzer.capture.twice import FAILED
from analyzer.capture.unended import of_whole_lines
from analyzer.facts.base import Fact
from analyzer.memory import without_cycles
from analyzer.parsers import Parser, read
from analyzer.source import Gap, Source, Span

if TYPE_CHECKING:
    from analyzer.capture.again import Again
    from analyzer.capture.store import Store

Reader = Callable[[Source], Iterable[Fact | Gap]]


SMALLEST = 1 << 14
"""Characters of a text from which on its facts are kept: what is shorter is read about as fast as a file is opened."""


MANY, PARTS = 8 << 20, 16
"""Characters of manifests from which on they are read side by side, and in how many parts."""
Read = tuple[list[Fact], list[Gap]]
Spread = Callable[[Sequence[Sequence[Source]], Callable[[Sequence[Source]], Read]], Sequence[Read]]


def facts(
    sources: Sequence[Source], store: Store | None = None, spread: Spread | None = None, again: Again | None = None
) -> tuple[tuple[Fact, ...], tuple[Gap, ...]]:
    """The facts of all sources in their order, and the gaps; nothing in a source raises. ``store`` has those of texts that were read before; ``spread``
    may read parts of many manifests side by side; ``again`` has those of the sources of an earlier look."""
    sources, cut = of_whole_lines(sources)
    if again is not None:
        found, gaps = facts_again(sources, store, again)
        return found, (*gaps, *cut)
    known = {kind: (parser, parser.reader()) for kind in {source.kind for source in sources} if (parser := parser_of(kind))}

    def work(part: Sequence[Source]) -> Read:
        return read_part(part, known, store)

    with without_cycles():
        parts = parts_of(sources) if spread and known.keys() == {"kubernetes"} else [sources]
        read = spread(parts, work) if spread and len(parts) > 1 else [work(part) for part in parts]
    return tuple(fact for found, _ in read for fact in found), (*(gap for _, gaps in read for gap in gaps), *cut)


def facts_again(sources: Sequence[Source], store: Store | None, again: Again) -> tuple[tuple[Fact, ...], tuple[Gap, ...]]:
    """The same, where the facts of a source that is still there are those of the earlier look: the same objects."""
    for kind in {source.kind for source in sources} - again.parsers.keys():
        if parser := parser_of(kind):
            again.parsers[kind] = (parser, parser.reader())
    found: list[Fact | Gap] = []
    held: dict[int, tuple[Source, tuple[Fact | Gap, ...]]] = {}
    with without_cycles():
        for source in sources:
            before = again.facts.get(id(source))
            if before is None or before[0] is not source:
                facts, gaps = read_part((source,), again.parsers, store)
                before = (source, (*facts, *gaps))
            held[id(source)] = before
            found += before[1]
    again.facts = held
    return tuple(item for item in found if not isinstance(item, Gap)), tuple(item for item in found if isinstance(item, Gap))


def parts_of(sources: Sequence[Source]) -> list[Sequence[Source]]:
    """The sources in parts of about one size, in their order; one part where there is little to read."""
    whole = sum(source.length for source in sources)
    if whole < MANY:
        return [sources]
    parts: list[list[Source]] = [[]]
    size = 0
    for source in sources:
        if size * PARTS >= whole:
            parts.append([])
            size = 0
        parts[-1].append(source)
        size += source.length
    return list(parts)


def read_part(sources: Sequence[Source], known: Mapping[str, tuple[Parser, Reader]], store: Store | None) -> Read:
    """The facts and gaps of some sources, in their order."""
    found: list[Fact] = []
    gaps: list[Gap] = []
    for source in sources:
        if source.kind == FAILED:
            gaps.append(failure(source))
        if source.kind not in known:
            continue
        parser, reader = known[source.kind]
        for item in remembered(parser, source, reader, store):
            if isinstance(item, Gap):
                gaps.append(item)
            else:
                found.append(item)
    return found, gaps


def remembered(parser: Parser, source: Source, reader: Reader, store: Store | None) -> Iterable[Fact | Gap]:
    """The facts and gaps of a source, from the store where it has them. Only what rests on one text alone is kept."""
    if store is None or not parser.kept or source.length < SMALLEST:
        return read(parser, source, reader)
    from analyzer.capture.store import name_of, name_of_texts

    name = name_of("facts", parser.kind, name_of_texts((source,)))
    found = store.get(name)
    if found is None:
        found = tuple(read(parser, source, reader))
        store.put(name, found)
    known: tuple[Fact | Gap, ...] = found
    return known


def failure(source: Source) -> Gap:
    """What a command said that failed when the node was captured."""
    said = " ".join(source.text.split())[:300]
    return Gap(Span(source.path, 1), f"could not be captured: {said}", source.subject, source.scope)
