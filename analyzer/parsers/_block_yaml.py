"""YAML as ``kubectl`` writes it, read by lines: block mappings and sequences of keys and scalars that stand on one line each.

Tens of thousands of objects have few *shapes*: the same keys in the same columns with other scalars. A shape is worked out once; the
values and places of an object are then its scalars put into it. A flow collection on one line stands for a scalar (``_flow_yaml``). Whatever is
written otherwise (block scalars, anchors, comments, text that is not ASCII, a key twice, a key without a value) is None here and is left to
``_yaml``, which decides what it means.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from typing import Any

from analyzer.parsers._documents import Document, Key
from analyzer.parsers._flow_yaml import Flow, flow
from analyzer.parsers._scalars import key_text, plain
from analyzer.source import Span

# The blanks and dashes before, the key, a flow collection that is not empty, and the scalar: quoted without escapes, or plain (YAML 1.1, 9.1.3:
# no ``: `` and `` #`` inside).
LINE = re.compile(
    r"""^(\ *(?:-\ )*)
    (?:([A-Za-z_][\w./-]{0,200}):(?:\ |$))?
    (?:([{\[][ -~]+[}\]])$)?
    ("[ !#-\[\]-~]*" | '[ -&(-~]*' | \{\} | \[\] | (?:[A-Za-z0-9_./~+$(=<^;\\] | -(?=[!-~])) (?:[ -"$-9;-~]++ | :(?=[!-~]) | (?<=[!-~])\#)*+ (?<!\ ) | )$
    """,
    re.MULTILINE | re.VERBOSE | re.ASCII,
)
BEGIN = "---\n"
EMPTY: Mapping[str, str] = {"": "", "{}": "{}", "[]": "[]"}
LINES = 100_000
SHAPES = 1000
Template = int | dict[str, "Template"] | list["Template"]
Spot = tuple[int, int, int]
"""Row and column from 0, and the end column; its end is ``OPEN`` to the end of the line, or that of its row's ``SCALAR``."""
OPEN, SCALAR, FLOW = -1, -2, -3
"""``FLOW - n``: the place of the ``n``-th value of the row's flow collection, which begins in the column."""
Mark = str | tuple[tuple[Key, ...], ...] | None
"""What the value of a row is: None for a scalar, the text of an empty one, and of a flow collection the paths to its values."""


class Otherwise(ValueError):
    """The text is written in another way than is read here."""


@dataclass(frozen=True, slots=True)
class Step:
    """A collection that is made of values: a mapping where there are keys. It becomes the last of the values."""

    keys: tuple[str, ...] | None
    of: Callable[[Sequence[Any]], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class Shape:
    """Where the values of a document stand, and how they are put together: the innermost collections come first."""

    steps: tuple[Step, ...]
    spots: Mapping[tuple[Key, ...], Spot]


@dataclass(frozen=True, slots=True)
class Token:
    """A dash, a key or a scalar without a key (``kind`` ``-``, ``:`` and ``.``); ``first`` in its row."""

    kind: str
    row: int
    column: int
    first: bool


class ShapedPlaces(Mapping[tuple[Key, ...], Span]):
    """The places of a document: those of its shape. ``line`` is that of the first row, ``lengths`` are those of the rows' scalars."""

    __slots__ = ("flows", "lengths", "line", "path", "spots")

    def __init__(
        self, path: str, line: int, shape: Shape, lengths: Iterable[int], flows: Mapping[int, Flow] | None = None
    ) -> None:
        self.path, self.line, self.spots, self.flows = path, line, shape.spots, flows or {}
        self.lengths = array("L", lengths)

    def __getitem__(self, key: tuple[Key, ...]) -> Span:
        row, column, end = self.spots[key]
        line = self.line + row
        if end <= FLOW:
            first, end = self.flows[row].spans[FLOW - end]
            column, end = column + first, column + end if end != OPEN else OPEN
        if end == OPEN:
            return Span(self.path, line, column + 1)
        return Span(self.path, line, column + 1, line, (column + self.lengths[row] if end == SCALAR else end) + 1)

    def __contains__(self, key: object) -> bool:
        return key in self.spots

    def __iter__(self) -> Iterator[tuple[Key, ...]]:
        return iter(self.spots)

    def __len__(self) -> int:
        return len(self.spots)

    def __repr__(self) -> str:
        return f"<{len(self)} places>"


@dataclass(slots=True)
class Shapes:
    """The shapes that were met; None for rows that are written otherwise."""

    known: dict[Any, Shape | None] = field(default_factory=dict, repr=False)

    def document(self, path: str, text: str, line: int, first: str = "") -> Document | None:
        """The one document of a text that begins at a line; None where it is written otherwise. ``first`` is ``- `` for the one item of a list."""
        if text.startswith(BEGIN):
            text, line = text[len(BEGIN) :], line + 1
        text = text.removesuffix("\n")
        count = text.count("\n") + 1
        rows = LINE.findall(text) if count <= LINES else ()
        if len(rows) != count:
            return None
        leads, keys, collections, scalars = zip(*rows, strict=True)
        flows = {row: found for row, item in enumerate(collections) if item and (found := flow(item))} if any(collections) else {}
        if len(flows) != len(rows) - collections.count(""):
            return None
        marks: tuple[Mark, ...] = tuple(map(EMPTY.get, scalars))
        if flows:
            marks = tuple(flows[row].paths if row in flows else mark for row, mark in enumerate(marks))
        shape = self.shape((leads, keys, marks)) if leads[0] == first else None
        if shape is None:
            return None
        quoted = '"' in text or "'" in text
        try:
            values = list(map(unquoted if quoted else plain, scalars))
        except ValueError:
            return None
        for row, found in flows.items():
            values[row] = found.value
        return Document(filled(shape.steps, values), ShapedPlaces(path, line, shape, map(len, scalars), flows))

    def shape(self, rows: tuple[Sequence[str], Sequence[str], Sequence[Mark]]) -> Shape | None:
        """The shape of rows: blanks and dashes, keys, and what their values are."""
        found = self.known.get(rows, self)
        if not isinstance(found, Shapes):
            return found
        if len(self.known) >= SHAPES:
            self.known.clear()
        try:
            made = Outline(*rows).shape()
        except (ValueError, RecursionError):
            made = None
        self.known[rows] = made
        return made


@lru_cache(maxsize=1 << 16)
def unquoted(text: str) -> Any:
    """The value of a scalar on one line. Equal ones are one object, of which many objects have some in common."""
    return text[1:-1] if text[:1] in ("'", '"') else plain(text)


def filled(steps: Iterable[Step], values: list[Any]) -> Any:
    """The document that the values of the rows make; collections are put behind them."""
    for step in steps:
        found = step.of(values)
        values.append(list(found) if step.keys is None else dict(zip(step.keys, found, strict=True)))
    return values[-1]


def steps_of(template: Template, rows: int) -> tuple[Step, ...]:
    """The steps that fill a template of a document of so many rows."""
    found: list[Step] = []

    def place(item: Template) -> int:
        """Where among the values a part of the template is, after the steps that make it."""
        if isinstance(item, int):
            return item
        inside = item.values() if isinstance(item, dict) else item
        places = tuple([place(one) for one in inside])
        found.append(Step(tuple(item) if isinstance(item, dict) else None, picking(places)))
        return rows + len(found) - 1

    place(template)
    return tuple(found)


def picking(places: tuple[int, ...]) -> Callable[[Sequence[Any]], Iterable[Any]]:
    """Picks values by their places."""
    if len(places) > 1:
        return itemgetter(*places)
    return itemgetter(slice(places[0], places[0] + 1) if places else slice(0))


class Outline:
    """Reads rows into a shape; Otherwise where their columns do not fit."""

    def __init__(self, leads: Sequence[str], keys: Sequence[str], marks: Sequence[Mark]) -> None:
        self.keys, self.marks = keys, marks
        self.tokens = [token for row, lead in enumerate(leads) for token in tokens(row, lead, keys[row])]
        self.spots: dict[tuple[Key, ...], Spot] = {}
        self.position = 0

    def shape(self) -> Shape:
        """The shape of all rows: one mapping, by itself or behind a dash."""
        self.position = 1 if self.tokens[0].kind == "-" else 0
        self.spots[()] = (0, self.tokens[self.position].column, OPEN)
        if self.tokens[self.position].kind != ":":
            raise Otherwise("no mapping")
        template = self.mapping(())
        if self.position < len(self.tokens) or isinstance(template.get("items"), list) or ("items", 0) in self.spots:
            raise Otherwise("rows that belong to nothing, or a list")
        return Shape(steps_of(template, len(self.keys)), self.spots)

    def next(self, kind: str, column: int) -> bool:
        """Whether the next row goes on with such a token in this column; Otherwise where it stands further right."""
        if self.position >= len(self.tokens):
            return False
        token = self.tokens[self.position]
        if token.column > column:
            raise Otherwise("a row stands too far right")
        return token.first and token.column == column and token.kind == kind

    def mapping(self, path: tuple[Key, ...]) -> dict[str, Template]:
        """A block mapping."""
        column = self.tokens[self.position].column
        result: dict[str, Template] = {}
        going = True
        while going:
            row = self.tokens[self.position].row
            key = key_text(plain(self.keys[row]))
            if key in result:
                raise Otherwise("a key twice")
            self.position += 1
            result[key] = self.value((*path, key), row, column)
            going = self.next(":", column)
        return result

    def value(self, path: tuple[Key, ...], row: int, column: int) -> Template:
        """What stands behind a key, or below it."""
        end = column + len(self.keys[row])
        if self.marks[row] != "":
            return self.scalar(path, row, end + 2, (row, column, end))
        self.spots[path] = (row, column, end)
        if self.position >= len(self.tokens):
            raise Otherwise("no value")
        token = self.tokens[self.position]
        if token.kind == "-" and token.column >= column:
            return self.sequence(path)
        if token.kind == ":" and token.column > column:
            return self.mapping(path)
        raise Otherwise("no value")

    def sequence(self, path: tuple[Key, ...]) -> list[Template]:
        """A block sequence."""
        column = self.tokens[self.position].column
        result: list[Template] = []
        going = True
        while going:
            self.position += 1
            result.append(self.entry((*path, len(result))))
            going = self.next("-", column)
        return result

    def entry(self, path: tuple[Key, ...]) -> Template:
        """What stands behind a dash."""
        token = self.tokens[self.position]
        spot = (token.row, token.column, OPEN)
        if token.kind == ".":
            if self.marks[token.row] == "":
                raise Otherwise("no value")
            self.position += 1
            return self.scalar(path, token.row, token.column, spot)
        self.spots[path] = spot
        return self.sequence(path) if token.kind == "-" else self.mapping(path)

    def scalar(self, path: tuple[Key, ...], row: int, column: int, around: Spot) -> Template:
        """A scalar, or a collection, which has the place of what it belongs to."""
        mark = self.marks[row]
        self.spots[path] = (row, column, SCALAR) if mark is None else around
        if isinstance(mark, str):
            return {} if mark == "{}" else []
        for number, inner in enumerate(mark or ()):
            self.spots[(*path, *inner)] = (row, column, FLOW - number)
        return row


def tokens(row: int, lead: str, key: str) -> Iterator[Token]:
    """The tokens of a row."""
    blanks = lead.find("-") if "-" in lead else len(lead)
    for column in range(blanks, len(lead), 2):
        yield Token("-", row, column, column == blanks)
    if not key and blanks == len(lead):
        raise Otherwise("no dash and no key")
    yield Token(":" if key else ".", row, len(lead), blanks == len(lead))
