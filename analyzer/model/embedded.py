"""JSON or YAML inside a value of an object, such as the ``config`` of a NetworkAttachmentDefinition, with the places that its parts have in the file.

The value was written as a block, quoted or plain YAML scalar, or as a JSON string: quotes, escapes, folded lines and indentation lie between its
characters. Blanks aside, the characters stand in the same order; they are found again one by one (YAML 1.2 sections 7.3 and 8.1, RFC 8259
section 7). Where that fails, every part has the place of the whole value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any, NamedTuple

from analyzer.parsers import _yaml
from analyzer.parsers._json_documents import documents
from analyzer.source import Gap, Source, Span, line_start

Path = tuple[str | int, ...]
LIMIT = 1 << 18
ESCAPES: Mapping[str, str] = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


class Inside(NamedTuple):
    """A JSON value inside a text, and the places of its parts; ``problem`` says why it is no JSON."""

    value: Any
    places: Mapping[Path, Span]
    problem: str = ""


class InnerPlaces(Mapping[Path, Span]):
    """The places of an inner document's values in the file around it. The characters are found again when the first place is asked for."""

    __slots__ = ("at", "found", "inner", "source", "text")

    def __init__(self, inner: Mapping[Path, Span], text: str, source: Source | None, at: Span) -> None:
        self.inner, self.text, self.source, self.at = inner, text, source, at
        self.found: tuple[list[int], list[tuple[int, int]] | None] | None = None

    def outer(self) -> tuple[list[int], list[tuple[int, int]] | None]:
        """Where each line of the inner text begins, and the place of each of its characters; None where they are not found."""
        if self.found is None:
            lines = [0, *accumulate(len(line) + 1 for line in self.text.split("\n"))]
            self.found = lines, characters(self.source.text, self.at, self.text) if self.source is not None else None
        return self.found

    def __getitem__(self, key: Path) -> Span:
        return self.moved(self.inner[key])

    def moved(self, span: Span) -> Span:
        """A place of the inner text, in the file."""
        lines, places = self.outer()
        if places is None:
            return self.at
        begin = lines[span.line - 1] + span.column - 1
        line, column = places[min(begin, len(places) - 1)]
        if not span.end_line:
            return Span(self.at.path, line, column)
        last = lines[span.end_line - 1] + span.end_column - 2
        end_line, end_column = places[min(last, len(places) - 1)]
        return Span(self.at.path, line, column, end_line, end_column + 1)

    def __iter__(self) -> Iterator[Path]:
        return iter(self.inner)

    def __len__(self) -> int:
        return len(self.inner)

    def __repr__(self) -> str:
        return f"<{len(self)} places>"


def inside(text: str, at: Span, source: Source | None, read: str | None = None) -> Inside:
    """The JSON value that a text is. ``at`` is where the text begins in its file; ``source`` the file, where it is known. ``read`` is what
    to read in its place, character for character, where the text is a template."""
    if len(text) > LIMIT:
        return Inside(None, {(): at}, f"the text is longer than {LIMIT} characters")
    every = documents(Source(at.path, text if read is None else read))
    found = [
        item for item in every if not isinstance(item, Gap) or item.first is None
    ]  # Of a key that stands twice the later value counts.
    first = next(iter(found), None)
    broken = next((item for item in found if isinstance(item, Gap)), None)
    if broken is not None:
        place = InnerPlaces({}, text, source, at).moved(broken.at)
        return Inside(None, {(): place}, broken.reason)
    if first is None or isinstance(first, Gap):
        return Inside(None, {(): at}, "the text is empty")
    if len(found) > 1:
        return Inside(None, {(): at}, "there is more than one value")
    return Inside(first.value, InnerPlaces(first.places, text, source, at))


def yaml_inside(text: str, at: Span, source: Source | None) -> Iterator[Inside]:
    """The YAML documents that a text holds, but for those that cannot be read."""
    for item in _yaml.documents(Source(at.path, text)) if len(text) <= LIMIT else ():
        if not isinstance(item, Gap):
            yield Inside(item.value, InnerPlaces(item.places, text, source, at))


def part_of(text: str, at: Span, source: Source | None, begin: int, end: int) -> Span:
    """The place of some characters of a text inside a file, from ``begin`` to before ``end``; the text's own place where they are not found."""
    places = characters(source.text, at, text) if source is not None and len(text) <= LIMIT else None
    if places is None or not begin < end <= len(places):
        return at
    line, column = places[begin]
    end_line, end_column = places[end - 1]
    return Span(at.path, line, column, end_line, end_column + 1)


def characters(text: str, at: Span, inner: str) -> list[tuple[int, int]] | None:
    """Line and column of each character of the inner text; blanks have the place of what precedes them. None where the two do not match."""
    raw = raw_characters(text, offset_of(text, at))
    found: list[tuple[int, int]] = []
    started = False
    place = (at.line, at.column)
    for char in inner:
        if not char.isspace():
            for seen, where in raw:
                if seen == char:
                    place = where
                    break
                if not seen.isspace() and started:
                    return None
            else:
                return None
            started = True
        found.append(place)
    return found


def offset_of(text: str, at: Span) -> int:
    """The offset of a place; the text's end where there is no such line."""
    start = line_start(text, at.line)
    return len(text) if start < 0 else start + at.column - 1


def raw_characters(text: str, position: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """The characters that a scalar stands for, each with its place."""
    quote = text[position] if position < len(text) and text[position] in "\"'" else ""
    position += len(quote)
    line = text.count("\n", 0, position) + 1
    start = text.rfind("\n", 0, position) + 1
    while position < len(text):
        char, where = text[position], (line, position - start + 1)
        if char == "\n":
            line, start = line + 1, position + 1
        position += 1
        if char == quote == "'" and text[position : position + 1] == "'":
            position += 1
        elif char == "\\" and quote == '"':
            char, position = escaped(text, position)
            if text[position - 1] == "\n":
                line, start = line + 1, position
        elif char == quote:
            return
        yield char, where


def escaped(text: str, position: int) -> tuple[str, int]:
    """The character that an escape stands for, and where it ends."""
    char = text[position : position + 1]
    if char == "u":
        digits = text[position + 1 : position + 5]
        return (
            chr(int(digits, 16)) if len(digits) == 4 and all(d in "0123456789abcdefABCDEF" for d in digits) else " "
        ), position + 5
    return ESCAPES.get(char, char or " "), position + 1
