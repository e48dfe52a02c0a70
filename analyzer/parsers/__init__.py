"""Parsers: one file per kind of text, each ending in ``PARSER``; the driver here makes them total.

A parser reads a source into facts. What it raises (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError) becomes a
gap: for the line when it reads by ``by_line``, else for the rest of the source.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, wraps
from typing import TypeVar

from analyzer.copies import altered
from analyzer.facts.base import Fact
from analyzer.parsers._reasons import broken_at, reason
from analyzer.parsers._types import mistyped
from analyzer.source import Gap, Source, Span

__all__ = ["UNREADABLE", "Parser", "below", "by_known_line", "by_line", "gap", "read", "reason", "remembered"]

UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError)
KNOWN, SHORT = 1 << 13, 1 << 9
"""How many texts a parser remembers, more than the lines that one node writes of all others, which the next one writes again; and how long they may be."""
F = TypeVar("F", bound=Fact)


@dataclass(frozen=True, slots=True)
class Parser:
    """How one kind of text is read and recognised.

    ``names`` are regular expressions that a normalised file name (see ``capture.recognise``) matches whole; a group
    ``subject`` in one of them becomes ``Source.subject``. ``content`` recognises the text by its first 4,096 characters where the name
    says nothing; among several the most specific (longest pattern) wins. ``per`` is ``namespace`` for texts about one network
    namespace and ``cluster`` for those about the cluster. ``together`` gives a reader for the sources of one capture, which works
    out once what they have in common; ``pieces``: also of texts in pieces. ``kept``: the facts are plain values that rest on one text alone, and may be kept on the disk.
    """

    kind: str
    read: Callable[[Source], Iterable[Fact | Gap]]
    names: tuple[str, ...] = ()
    content: re.Pattern[str] | None = None
    per: str = "namespace"
    together: Callable[[], Callable[[Source], Iterable[Fact | Gap]]] | None = None
    kept: bool = False
    pieces: bool = False

    def reader(self) -> Callable[[Source], Iterable[Fact | Gap]]:
        """What reads one source after the other."""
        return self.together() if self.together else self.read


def read(parser: Parser, source: Source, reader: Callable[[Source], Iterable[Fact | Gap]] | None = None) -> Iterator[Fact | Gap]:
    """All facts and gaps of a source; never raises for what stands in the text. ``reader`` is the parser's own for several sources."""
    if not (parser.pieces or isinstance(source.content, str)):
        source = replace(source, content=source.text)
    typed = (source.content.lstrip() if isinstance(source.content, str) else source.start(1))[:1] not in ("[", "{")
    try:
        for item in (reader or parser.read)(source):
            wrong = "" if typed or isinstance(item, Gap) else mistyped(item)
            yield Gap(item.at, wrong, source.kind, source.scope) if wrong else item
    except UNREADABLE as problem:
        line, column = broken_at(problem, source.text)
        why = f"could not be read as {parser.kind}: {reason(problem)}"
        yield Gap(Span(source.path, line, column), why, source.kind, source.scope)


def by_line(source: Source, read_line: Callable[[str, Span], Iterable[Fact | Gap]]) -> Iterator[Fact | Gap]:
    """Reads each line that is not blank on its own: a line that raises becomes a gap, the rest is still read."""
    for number, line in enumerate(source.text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield from list(read_line(line.rstrip("\r"), Span(source.path, number)))
        except UNREADABLE as problem:
            yield gap(source, number, reason(problem))


def remembered(read: Callable[[str, str], tuple[F, ...]]) -> Callable[[str, str], tuple[F, ...]]:
    """What a short text and a word say, worked out once; the function has to rest on these two alone."""
    known = lru_cache(maxsize=KNOWN)(read)

    @wraps(read)
    def found(text: str, word: str) -> tuple[F, ...]:
        return known(text, word) if len(text) <= SHORT else read(text, word)

    return found


def by_known_line(source: Source, read_line: Callable[[str, str], tuple[Fact, ...]]) -> Iterator[Fact | Gap]:
    """``by_line``, where what a line says rests on the line and the source's subject alone: ``read_line`` may remember the facts of a line, which have the
    place that they would have on the first line."""
    path, scope, subject = source.path, source.scope, source.subject
    for number, line in enumerate(source.text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found = read_line(line.rstrip("\r"), subject)
        except UNREADABLE as problem:
            yield gap(source, number, reason(problem))
            continue
        for fact in found:
            yield altered(fact, at=below(fact.at, path, number - 1), scope=scope)


def below(at: Span, path: str, lines: int) -> Span:
    """A place, so many lines further down in a file."""
    _, line, column, end_line, end_column = at
    return Span(path, line + lines, column, end_line + lines if end_line else 0, end_column)


def gap(source: Source, line: int, why: str, device: str = "", cut: bool = False) -> Gap:
    """A gap of this source at a line, about one interface where it is known which; ``cut``: more may have stood behind."""
    return Gap(Span(source.path, line), why, source.kind, source.scope, device=device, cut=cut)
