"""Flow collections of YAML that stand on one line, with the place of every value: ``{name: dns, containerPort: 53}``, ``[Ingress, Egress]``.

Read as ``_yaml`` reads them, where they are written plainly: keys without quotes, scalars that are plain or quoted without escapes. Whatever is
written otherwise (anchors, comments, a key twice, a key without a value, a comma behind the last) is None here and is left to ``_yaml``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from analyzer.parsers._documents import Key
from analyzer.parsers._scalars import key_text, plain

KEY = re.compile(r"([A-Za-z_][\w./-]{0,200}): +", re.ASCII)
# Quoted without escapes, or plain (YAML 1.1, 9.1.3: inside a flow collection also without commas, brackets and braces).
SCALAR = re.compile(
    r"""("[ !#-\[\]-~]*" | '[ -&(-~]*' | (?:[A-Za-z0-9_./~+$(=<^;\\] | -(?=[\w./-])) (?: [!"$-+\-./0-9;-Z\\^-z|~] | :(?=[\w./:-]) )*+ )\ *(?=[,\]}])""",
    re.VERBOSE | re.ASCII,
)
COMMA = re.compile(r", *")
DEPTH = 20
OPEN = -1


class Flow(NamedTuple):
    """A collection. ``paths`` leads to each value inside, in order, and ``spans`` has its first and its end column, counted from that of the collection;
    the end is ``OPEN`` for what ends with the line."""

    value: Any
    paths: tuple[tuple[Key, ...], ...]
    spans: tuple[tuple[int, int], ...]


@lru_cache(maxsize=1 << 14)
def flow(text: str) -> Flow | None:
    """The collection that a text is; None where it is written in another way than is read here."""
    reader = Reader(text)
    try:
        value = reader.collection((), 0)
    except ValueError:
        return None
    return Flow(value, tuple(reader.paths), tuple(reader.spans)) if reader.position == len(text) else None


class Reader:
    """Reads a text from left to right; ValueError where it is written otherwise."""

    def __init__(self, text: str) -> None:
        self.text, self.position = text, 0
        self.paths: list[tuple[Key, ...]] = []
        self.spans: list[tuple[int, int]] = []

    def collection(self, path: tuple[Key, ...], depth: int) -> Any:
        """A mapping or a sequence."""
        if depth > DEPTH:
            raise ValueError("too deep")
        closing = "}" if self.text[self.position] == "{" else "]"
        found: Any = {} if closing == "}" else []
        self.forward(1)
        going = self.text[self.position : self.position + 1] != closing
        while going:
            if closing == "}":
                self.pair(found, path, depth)
            else:
                self.value(found, (*path, len(found)), None, depth)
            self.forward(0)
            comma = COMMA.match(self.text, self.position)
            going = comma is not None
            self.position = comma.end() if comma else self.position
        if self.text[self.position : self.position + 1] != closing:
            raise ValueError("no end")
        self.position += 1
        return found

    def forward(self, count: int) -> None:
        """Goes on by some characters and all blanks behind them."""
        self.position += count
        while self.text.startswith(" ", self.position):
            self.position += 1

    def pair(self, found: dict[str, Any], path: tuple[Key, ...], depth: int) -> None:
        """A key and its value."""
        key = KEY.match(self.text, self.position)
        if key is None:
            raise ValueError("no key")
        name = key_text(plain(key[1]))
        if name in found:
            raise ValueError("a key twice")
        self.position = key.end()
        self.value(found, (*path, name), (key.start(1), key.end(1)), depth)

    def value(self, found: Any, path: tuple[Key, ...], key: tuple[int, int] | None, depth: int) -> None:
        """A value, which is put where it belongs. A collection has the place of its key."""
        start = self.position
        self.paths.append(path)
        if self.text[start : start + 1] in ("{", "["):
            self.spans.append(key or (start, OPEN))
            value = self.collection(path, depth + 1)
        else:
            scalar = SCALAR.match(self.text, start)
            if scalar is None:
                raise ValueError("no scalar")
            self.spans.append(scalar.span(1))
            self.position = scalar.end(1)
            value = scalar[1][1:-1] if scalar[1][0] in "'\"" else plain(scalar[1])
        if isinstance(found, list):
            found.append(value)
        else:
            found[path[-1]] = value
