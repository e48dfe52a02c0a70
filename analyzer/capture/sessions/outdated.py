"""What a pasted text shows twice, and what its own commands changed after they had listed it.

A session runs from top to bottom, so that the later output of a command is what holds, where it is the same place that both tell of. Where no host is told,
two outputs may be of two hosts, and what the second says otherwise is open.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analyzer.capture.sessions.commands import changed
from analyzer.capture.sessions.pasted import Part
from analyzer.source import Gap, Source, Span

FAILED = re.compile(
    r"RTNETLINK answers|[Ee]rror|denied|not permitted|not found|No such|[Uu]sage:|[Uu]nknown|Cannot|can't|Bad argument"
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A part with the source that it gives."""

    part: Part
    source: Source


@dataclass(frozen=True, slots=True)
class Current:
    """What holds; what leaves something open, and what is only to be told."""

    shown: tuple[Shown, ...]
    gaps: tuple[Gap, ...]
    notes: tuple[Gap, ...]


def current(sections: Sequence[Part], found: Sequence[Shown]) -> Current:
    """The parts that hold at the end of the text."""
    kept: list[Shown] = []
    gaps: list[Gap] = []
    notes: list[Gap] = []
    for index, one in enumerate(found):
        later = next((other for other in reversed(found[index + 1 :]) if same(one, other)), None)
        if later is None:
            kept.append(one)
        elif one.source.text.strip() != later.source.text.strip():
            (notes if told(one, later) else gaps).append(replaced(one, later))
    return Current(tuple(kept), (*gaps, *overtaken(sections, kept)), tuple(notes))


def same(one: Shown, other: Shown) -> bool:
    """Whether two parts are the same listing of one place; of texts without a command, where they are of one kind."""
    first, second = one.part, other.part
    if (first.path, first.place, first.cut, one.source.kind) != (second.path, second.place, second.cut, other.source.kind):
        return False
    if first.command or second.command or first.path:
        return first.command == second.command
    return one.source.scope is not None and bool(beginnings(one.source.text) & beginnings(other.source.text))


def beginnings(text: str) -> frozenset[str]:
    """How the lines of a text begin that are not indented: two that share none may well be two parts of one whole."""
    return frozenset(
        " ".join(line.split()[:2]) for line in text.split("\n") if line[:1].strip() and line[0] != "#" and line != "COMMIT"
    )


def told(one: Shown, later: Shown) -> bool:
    """Whether it is told that both are of one place."""
    return one.source.scope is None or (one.part.sure and later.part.sure)


def replaced(one: Shown, later: Shown) -> Gap:
    """What became of an output that a later one replaces."""
    at = Span(one.source.path, one.part.line)
    what = repr(one.part.command or one.part.path or one.source.kind)
    if told(one, later):
        return Gap(at, f"{what} was shown again, and says otherwise, at line {later.part.line}: that is taken")
    reason = f"{what} stands here and, with another text, at line {later.part.line}: no prompt tells that both are of one host; the last is taken"
    return Gap(at, reason, one.source.kind, one.source.scope)


def overtaken(sections: Sequence[Part], kept: Sequence[Shown]) -> Iterator[Gap]:
    """Gaps for listings that a later command of the session changed."""
    for part in sections:
        kinds = changed(part.command) if not FAILED.search(part.text) else ()
        for one in kept if kinds else ():
            if one.source.kind in kinds and one.part.line < part.line and one.part.place == part.place:
                reason = f"{part.command!r} changed what line {one.part.line} shows, and it was not shown again"
                yield Gap(Span(one.source.path, part.line), reason, one.source.kind, one.source.scope)
