"""The lines of ``kubectl describe``: keys and values below each other, two blanks further in for what belongs to a key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from analyzer.source import Source, Span

PAIR = re.compile(r"(?:- )?(?P<key>[A-Za-z][^:=]{0,60}?):(?:\s+(?P<value>.*))?$")
NEXT = re.compile(r"Name:\s+\S")
NOTHING = frozenset({"", "<none>", "<unset>", "<unknown>", "None"})


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not blank: how far it is indented, its words, and its key and value where it has them (else both are empty)."""

    indent: int
    whole: str
    key: str
    value: str
    at: Span


@dataclass(frozen=True, slots=True)
class Described:
    """What describe says of one object."""

    lines: Sequence[Line]

    @property
    def at(self) -> Span:
        """The place of its name."""
        return self.lines[0].at

    def value(self, key: str) -> str:
        """The value of a key that is not indented; empty where it is not there, or says nothing."""
        found = next((line.value for line in self.lines if not line.indent and line.key == key), "")
        return "" if found in NOTHING else found

    def has(self, *keys: str) -> bool:
        """Whether keys that are not indented are there."""
        return set(keys) <= {line.key for line in self.lines if not line.indent}

    def inside(self, key: str) -> tuple[Line, ...]:
        """The lines that belong to a key that is not indented."""
        start = next((index for index, line in enumerate(self.lines) if not line.indent and line.key == key), len(self.lines))
        found = []
        for line in self.lines[start + 1 :]:
            if not line.indent:
                break
            found.append(line)
        return tuple(found)

    def labels(self, key: str) -> Mapping[str, str] | None:
        """Labels, one in a line (``printLabelsMultiline``); None where they are not there, or one is none."""
        if not self.has(key):
            return None
        first = self.value(key)
        texts = [*([first] if first else []), *(line.whole for line in self.inside(key))]
        pairs = [text.partition("=") for text in texts]
        return {name: value for name, _, value in pairs} if all(equals for _, equals, _ in pairs) else None


def objects(source: Source) -> Iterator[Described]:
    """The objects of a text, each from its name on."""
    lines: list[Line] = []
    for number, raw in enumerate(source.text.split("\n"), 1):
        text = raw.rstrip()
        if NEXT.match(text) and lines:
            yield Described(tuple(lines))
            lines = []
        if text.strip():
            lines.append(line_of(text, Span(source.path, number)))
    if lines:
        yield Described(tuple(lines))


def line_of(text: str, at: Span) -> Line:
    """A line in parts."""
    whole = text.strip()
    found = PAIR.fullmatch(whole)
    return Line(
        len(text) - len(text.lstrip()),
        whole,
        found["key"] if found else "",
        (found["value"] or "").strip() if found else "",
        at,
    )
