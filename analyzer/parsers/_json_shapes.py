"""JSON as ``kubectl`` writes it, one value on a line: objects of one shape have the same rows, with other scalars in them.

A shape is worked out once: that its rows are JSON, where its values stand, and how they are put together. An object of a list is then read by its rows alone. Where
it is written otherwise (several values on a line, escapes in a key, a key twice, what is no JSON) the answer is None, and it is left to the standard library.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import sub
from typing import Any, NamedTuple

from analyzer.parsers._block_yaml import OPEN, SCALAR, SHAPES, Shape, ShapedPlaces, Spot, Template, filled, steps_of
from analyzer.parsers._documents import Key

KEY = '": '
# Brackets, and those that stand before a comma.
BRACKETS: Mapping[str, str] = {
    **{text: text for text in ("{", "}", "[", "]", "{}", "[]")},
    **{f"{text},": text for text in ("}", "]", "{}", "[]")},
}
CLOSING: Mapping[str | None, str] = {"}": "{", "]": "["}
# Objects that hold others, whose places are wanted below a path.
HOLDING = ("items", "object")


def refuse_constant(name: str) -> Any:
    """NaN and Infinity are no JSON."""
    raise ValueError(f"{name} is no JSON")


DECODER = json.JSONDecoder(parse_constant=refuse_constant)


class Rows(NamedTuple):
    """What objects of one shape have in common: the column of the first row; of each the blanks and the key before its value, its bracket, and whether a comma follows."""

    column: int
    heads: Sequence[str]
    brackets: Sequence[str | None]
    commas: Sequence[bool]


class Line(NamedTuple):
    """A row: the blanks before it and its key."""

    lead: str
    key: str | None


class Whole(NamedTuple):
    """An object, the places in it, and where it ends."""

    value: dict[str, Any]
    places: ShapedPlaces
    end: int


@dataclass(slots=True)
class JsonShapes:
    """The shapes that were met in one text; None for rows that are written otherwise."""

    known: dict[Rows, Shape | None] = field(default_factory=dict)

    def object(self, path: str, text: str, position: int, line: int, column: int) -> Whole | None:
        """The object that begins at a position; None where it is written otherwise."""
        before = text[position - column + 1 : position]
        close = text.find(f"\n{before}}}", position) if not before.strip(" \t") else -1
        end = close + len(before) + 2
        found = self.read(path, text[position:end], line, column) if close >= 0 else None
        if found is None or not found[0].steps:
            return None
        shape, values, places = found
        return Whole(filled(shape.steps, values), places, end)

    def places(self, path: str, text: str, line: int, column: int) -> ShapedPlaces | None:
        """The places in an object that is known to be JSON and begins at a line and column; None where it is written otherwise."""
        found = self.read(path, text, line, column)
        return found[2] if found else None

    def read(self, path: str, text: str, line: int, column: int) -> tuple[Shape, list[Any], ShapedPlaces] | None:
        """The shape of an object, the values of its rows, and the places."""
        heads, texts = parted(text)
        try:
            values, brackets, commas = zip(*map(row_of, texts), strict=True)
        except (ValueError, RecursionError):
            return None
        shape = self.shape(Rows(column, heads, brackets, commas))
        if shape is None:
            return None
        return shape, list(values), ShapedPlaces(path, line, shape, map(sub, map(len, texts), commas))

    def shape(self, rows: Rows) -> Shape | None:
        """The shape of rows; without steps where the object is not to be put together of them."""
        found = self.known.get(rows, self)
        if not isinstance(found, JsonShapes):
            return found
        if len(self.known) >= SHAPES:
            self.known.clear()
        self.known[rows] = made = made_of(rows)
        return made


def made_of(rows: Rows) -> Shape | None:
    """The shape of rows, worked out."""
    lines = [line_of(head) for head in rows.heads]
    if not all(map(plainly, lines)):
        return None
    spots = list(spots_of(rows, lines))
    places = dict(spots)
    if len(places) != len(spots) or rows.brackets[0] != "{":
        return None
    template = template_of(rows, lines)
    if isinstance(template, dict) and not any(key in template for key in HOLDING):
        return Shape(steps_of(template, len(lines)), places)
    return Shape((), places)


def parted(text: str) -> tuple[tuple[str, ...], list[str]]:
    """What stands before the value of each row, without the end of a key, and the values."""
    heads, texts = [], []
    for line in text.split("\n"):
        head, key, value = line.partition(KEY)
        if not key:
            value = line.lstrip(" \t")
            head = line[: len(line) - len(value)]
        heads.append(head)
        texts.append(value)
    return tuple(heads), texts


def line_of(head: str) -> Line:
    """The blanks and the key before a value."""
    lead, quote, key = head.partition('"')
    return Line(lead, key if quote else None)


def plainly(line: Line) -> bool:
    """Whether there are only blanks before a row, and its key says what it is without escapes."""
    key = line.key or ""
    return not line.lead.strip(" \t") and key.isprintable() and "\\" not in key and '"' not in key


@lru_cache(maxsize=1 << 16)
def row_of(text: str) -> tuple[Any, str | None, bool]:
    """The value of a row (equal ones are one object), or its bracket, and whether a comma follows. ValueError for what is not one of JSON."""
    bracket, comma = BRACKETS.get(text), text.endswith(",")
    return None if bracket else scalar(text.removesuffix(",")), bracket, comma


def scalar(text: str) -> Any:
    """The value of a scalar. ValueError for what is not one of JSON."""
    if text[:1] == '"' and text.find('"', 1) == len(text) - 1 and "\\" not in text and text.isprintable():
        return text[1:-1]
    value = DECODER.decode(text)
    if isinstance(value, dict | list) or text != text.strip():
        raise ValueError("no scalar")
    return value


def template_of(rows: Rows, lines: Sequence[Line]) -> Template | None:
    """How the values of the rows are put together; None where they are no whole object of JSON."""
    root: list[Template] = []
    stack: list[dict[str, Template] | list[Template]] = [root]
    for row, ((_, key), bracket) in enumerate(zip(lines, rows.brackets, strict=True)):
        if not comma_fits(rows, row) or (len(stack) == 1 and row):
            return None
        if bracket in CLOSING:
            if key is not None or isinstance(stack.pop(), dict) != (bracket == "}"):
                return None
            continue
        item: Template = {} if bracket in ("{", "{}") else [] if bracket in ("[", "[]") else row
        if not put(stack[-1], key, item):
            return None
        if bracket in ("{", "[") and not isinstance(item, int):
            stack.append(item)
    return root[0] if len(stack) == 1 and len(root) == 1 else None


def comma_fits(rows: Rows, row: int) -> bool:
    """Whether a comma follows a value where another one does, and only there."""
    follows = row + 1 < len(rows.brackets) and rows.brackets[row + 1] not in CLOSING
    return rows.commas[row] == (follows and rows.brackets[row] not in ("{", "["))


def put(within: dict[str, Template] | list[Template], key: str | None, item: Template) -> bool:
    """Puts a value where it is: behind a key in a mapping, and only there."""
    if isinstance(within, dict) and key is not None:
        within[key] = item
        return True
    if isinstance(within, list) and key is None:
        within.append(item)
        return True
    return False


def spots_of(rows: Rows, lines: Sequence[Line]) -> Iterator[tuple[tuple[Key, ...], Spot]]:
    """The path of each value and where it stands. A collection's place is its opening bracket, and that of the whole has no end."""
    path: list[Key] = []
    counts: list[int | None] = []
    for row, ((lead, key), bracket) in enumerate(zip(lines, rows.brackets, strict=True)):
        if bracket in CLOSING:
            path, counts = path[: len(counts) - 1], counts[:-1]
            continue
        if counts:
            path = [*path[: len(counts) - 1], (key or "") if counts[-1] is None else counts[-1]]
            counts[-1] = None if counts[-1] is None else counts[-1] + 1
        begin = rows.column - 1 if row == 0 else len(lead) + (len(key or "") + 4 if counts and counts[-1] is None else 0)
        yield tuple(path), (row, begin, OPEN if row == 0 else SCALAR if bracket is None else begin + 1)
        if bracket in ("{", "["):
            counts.append(None if bracket == "{" else 0)
