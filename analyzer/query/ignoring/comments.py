"""Ignores in comments: ``# analyze: ignore[RULE, …] reason`` beside a line or alone above it, ``# analyze: ignore-file[RULE, …] reason`` anywhere in a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from analyzer.findings import Edit, Ignored
from analyzer.query.ignoring.ignore import Ignore
from analyzer.source import Source, Span

SIGN = "analy"
"""What all of them have, those that are misspelt too."""
COMMENT = re.compile(
    r"^(?P<before>.*?)(?:#|//|;)[ \t]*analyze:[ \t]*ignore(?P<file>-file)?[ \t]*\[(?P<rules>[^\]\n]{1,1000})\][ \t]*:?[ \t]*(?P<reason>.*)$"
)
MEANT = re.compile(r"^(?P<before>.*?)(?:#|//|;)[ \t]*analy[sz]er?[ \t]*:[ \t]*(?P<said>ignore\b.*)$")
EMPTY = re.compile(r"\s*(?:#.*)?$")


def of_texts(sources: Iterable[Source]) -> Iterator[Ignore]:
    """The ignores in the comments of the texts, once for each file."""
    seen: set[str] = set()
    for source in sources:
        if (SIGN in source.origin if source.origin else source.says(SIGN)) and source.path not in seen:
            seen.add(source.path)
            yield from of_text(source)


def of_text(source: Source) -> Iterator[Ignore]:
    """The ignores of one text."""
    lines = (source.origin or source.text).split("\n")
    for number, line in enumerate(lines, 1):
        found = COMMENT.match(line.rstrip("\r")) if SIGN in line else None
        if found is None:
            yield from otherwise(source, number, line.rstrip("\r")) if SIGN in line else ()
            continue
        rules = tuple(name.strip() for name in found["rules"].split(",") if name.strip())
        reason = found["reason"].strip()
        start = len(found["before"]) + 1
        at = Span(source.path, number, start, number, len(line.rstrip("\r")) + 1)
        first, last = lines_of(lines, number, alone=not found["before"].strip())
        if found["file"]:
            first = last = 0
        if rules:
            removal = (Edit(removed(source.path, number, found["before"], at), ""),)
            yield Ignore(Ignored.IN_SOURCE, rules, reason, at, file=source.path, first=first, last=last, removal=removal)


def otherwise(source: Source, number: int, line: str) -> Iterator[Ignore]:
    """A comment that is meant as one and is written otherwise: it names no rule, and its reason is what it says."""
    if found := MEANT.match(line):
        at = Span(source.path, number, len(found["before"]) + 1, number, len(line) + 1)
        yield Ignore(Ignored.IN_SOURCE, (), found["said"], at, file=source.path, first=number, last=number)


def removed(path: str, number: int, before: str, at: Span) -> Span:
    """What goes with a comment: the spaces before it, or the whole line."""
    kept = before.rstrip()
    return at._replace(column=len(kept) + 1) if kept else Span(path, number, 1, number + 1, 1)


def lines_of(lines: list[str], number: int, *, alone: bool) -> tuple[int, int]:
    """The lines that a comment is about: its own, or, where it stands alone, the next that says something."""
    if not alone:
        return number, number
    following = (place for place in range(number + 1, len(lines) + 1) if not EMPTY.match(lines[place - 1]))
    return number, next(following, number)
