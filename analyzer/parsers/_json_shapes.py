"""Places in JSON as ``kubectl`` writes it, one value on a line: objects of one shape have their values in the same rows and columns.

The text is known to be whole JSON. Where it is written otherwise (several values on a line, escapes in a key, a key twice) the answer is None.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from analyzer.parsers._block_yaml import SCALAR, SHAPES, Shape, ShapedPlaces, Spot
from analyzer.parsers._documents import Key

ROW = re.compile(
    r"""^([ \t]*)(?:"([^"\\\n]*)":[ ])?("[^"\\\n]*(?:\\.[^"\\\n]*)*" | \{\} | \[\] | [{}\[\]] | [^\s{}\[\],:"]+),?$""",
    re.MULTILINE | re.VERBOSE,
)
BRACKETS: Mapping[str, str] = {text: text for text in ("{", "}", "[", "]", "{}", "[]")}


@dataclass(slots=True)
class JsonShapes:
    """The shapes that were met in one text; None for rows that are written otherwise."""

    known: dict[Any, Shape | None] = field(default_factory=dict)

    def places(self, path: str, text: str, line: int, column: int) -> ShapedPlaces | None:
        """The places in an object that begins at a line and column; None where it is written otherwise."""
        rows = ROW.findall(text)
        if not rows or len(rows) != text.count("\n") + 1:
            return None
        leads, keys, values = zip(*rows, strict=True)
        shape = self.shape((column, leads, keys, tuple(map(BRACKETS.get, values))))
        return ShapedPlaces(path, line, shape, values) if shape else None

    def shape(self, rows: tuple[int, Sequence[str], Sequence[str], Sequence[str | None]]) -> Shape | None:
        """The shape of rows: the first one's column, blanks, keys and brackets."""
        if rows in self.known:
            return self.known[rows]
        if len(self.known) >= SHAPES:
            self.known.clear()
        found = list(spots(*rows))
        places = dict(found)
        self.known[rows] = Shape((), places) if len(places) == len(found) and rows[3][0] == "{" else None
        return self.known[rows]


def spots(
    column: int, leads: Sequence[str], keys: Sequence[str], brackets: Sequence[str | None]
) -> Iterator[tuple[tuple[Key, ...], Spot]]:
    """The path of each value and where it stands. A collection's place is its opening bracket."""
    path: list[Key] = []
    counts: list[int | None] = []
    for row, (lead, key, bracket) in enumerate(zip(leads, keys, brackets, strict=True)):
        if bracket in ("}", "]"):
            path, counts = path[: len(counts) - 1], counts[:-1]
            continue
        if counts:
            path = [*path[: len(counts) - 1], key if counts[-1] is None else counts[-1]]
            counts[-1] = None if counts[-1] is None else counts[-1] + 1
        begin = column - 1 if row == 0 else len(lead) + (len(key) + 4 if counts[-1] is None else 0)
        yield tuple(path), (row, begin, SCALAR if bracket is None else begin + 1)
        if bracket in ("{", "["):
            counts.append(None if bracket == "{" else 0)
