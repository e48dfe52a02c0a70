"""JSON with the place of every value: read by the standard library at once, the places found when one is asked for.

``kubectl get -o json`` of a large cluster is tens of megabytes of which a finding points at a few values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator, Mapping

from analyzer.parsers._documents import Document, Key, Mark, Marks, Places, kind_of_items
from analyzer.parsers._json_shapes import DECODER, JsonShapes, refuse_constant
from analyzer.parsers._reasons import json_words, reason
from analyzer.source import Gap, Source, Span

TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+)')
SPACE = re.compile(r"[\s,]*")
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"\s*:\s*')


class LazyPlaces(Mapping[tuple[Key, ...], Span]):
    """The places in one JSON value, found by reading its text once more when the first is asked for."""

    __slots__ = ("begin", "column", "end", "found", "line", "shapes", "source")

    def __init__(self, source: Source, begin: int, end: int, line: int, column: int, shapes: JsonShapes) -> None:
        self.source, self.begin, self.end, self.line, self.column, self.shapes = source, begin, end, line, column, shapes
        self.found: Mapping[tuple[Key, ...], Span] | None = None

    def all(self) -> Places:
        """The places as a tree."""
        return Places(self.source.path, marks_of(self.source.text[self.begin : self.end], self.line, self.column))

    def known(self) -> Mapping[tuple[Key, ...], Span]:
        """The places."""
        if self.found is None:
            text = self.source.text[self.begin : self.end]
            self.found = self.shapes.places(self.source.path, text, self.line, self.column)
            if self.found is None:
                self.found = self.all()
        return self.found

    def __getitem__(self, key: tuple[Key, ...]) -> Span:
        if not key:
            return Span(self.source.path, self.line, self.column)
        return self.known()[key]

    def __iter__(self) -> Iterator[tuple[Key, ...]]:
        return iter(self.known())

    def __len__(self) -> int:
        return len(self.known())

    def __repr__(self) -> str:
        return f"<{len(self)} places>"


def marks_of(text: str, line: int, column: int) -> Mark:
    """The marks of a JSON value that is known to be whole; ``line`` and ``column`` are those of its first character."""
    root: Marks = {}
    stack = [root]
    key: Key | None = 0
    keys: list[Key] = []
    start = 1 - column
    for found in TOKEN.finditer(text):
        token, begin = found.group(1), found.start(1)
        if begin - found.start() and (skipped := text.count("\n", found.start(), begin)):
            line += skipped
            start = text.rfind("\n", 0, begin) + 1
        if token in ("}", "]"):
            stack.pop()
            key = keys.pop()
        elif token == ",":
            key = key + 1 if isinstance(key, int) else None
        elif token == ":":
            continue
        elif key is None:
            key = json.loads(token) if "\\" in token else token[1:-1]
        else:
            inner: Marks | None = {} if token in ("{", "[") else None
            end = begin + len(token)
            stack[-1][key] = (line, begin - start + 1, line, end - start + 1, inner)
            if inner is not None:
                stack.append(inner)
                keys.append(key)
                key = None if token == "{" else 0
    return root[0]


def documents(source: Source) -> Iterator[Document | Gap]:
    """The values of a text, one after the other; the objects of a ``kubectl`` list come each by itself. A gap where it breaks off."""
    text, position = source.text, 0
    finder = Finder(source)
    try:
        while (position := end_of(SPACE, text, position)) < len(text):
            items = re.compile(r"\{\s*").match(text, position)
            if items and re.compile(r'"(apiVersion|items|kind|metadata)"').match(text, items.end()):
                position = yield from object_documents(source, items.end(), position, finder)
            else:
                position = yield from one(source, position, finder)
    except (ValueError, RecursionError) as problem:
        where = getattr(problem, "pos", position)
        words = json_words(problem.msg) if isinstance(problem, json.JSONDecodeError) else reason(problem)
        yield Gap(
            finder.span(max(where, finder.seen)), f"this JSON is broken here: {words}", source.kind, source.scope, lost=True
        )


def end_of(pattern: re.Pattern[str], text: str, position: int) -> int:
    """Where what matches ends."""
    found = pattern.match(text, position)
    return found.end() if found else position


def one(
    source: Source, position: int, finder: Finder, kind: dict[str, str] | None = None
) -> Generator[Document | Gap, None, int]:
    """One value, after gaps for the keys that it has twice; returns where it ends. ``kind`` is what an item of a typed list does not say itself."""
    finder.twice = False
    value, end = finder.decoder.raw_decode(source.text, position)
    if kind and isinstance(value, dict):
        value = {**kind, **value}
    span = finder.span(position)
    if finder.twice:
        yield from repeated(source, source.text[position:end], span)
    yield Document(value, LazyPlaces(source, position, end, span.line, span.column, finder.shapes))
    return end


def item(source: Source, position: int, finder: Finder, kind: dict[str, str]) -> Generator[Document | Gap, None, int]:
    """An item of a list, by its rows where it is written as ``kubectl`` does; returns where it ends."""
    span = finder.span(position)
    found = finder.shapes.object(source.path, source.text, position, span.line, span.column)
    if found is None:
        return (yield from one(source, position, finder, kind))
    yield Document({**kind, **found.value} if kind else found.value, found.places)
    return found.end


def object_documents(source: Source, position: int, begin: int, finder: Finder) -> Generator[Document | Gap, None, int]:
    """An object; where it is a list (it has ``items``), its items, as far as they can be read. Returns where it ends."""
    text = source.text
    head = {}
    while (found := STRING.match(text, position)) and found.group(1) != "items":
        head[found.group(1)], position = DECODER.raw_decode(text, found.end())
        position = end_of(SPACE, text, position)
    if not found or text[found.end() : found.end() + 1] != "[":
        return (yield from one(source, begin, finder))
    position = end_of(SPACE, text, found.end() + 1)
    kind = kind_of_items(str(head.get("kind", "")), str(head.get("apiVersion", "")))
    while position < len(text) and text[position] != "]":
        known = text[position] == "{"  # Whatever else stands there, is told by who reads the documents.
        end = yield from (item(source, position, finder, kind) if known else one(source, position, finder))
        position = end_of(SPACE, text, end)
    if text[position : position + 1] != "]":
        raise json.JSONDecodeError("the list does not end", text, position)
    position = end_of(SPACE, text, position + 1)
    while found := STRING.match(text, position):
        _, position = DECODER.raw_decode(text, found.end())
        position = end_of(SPACE, text, position)
    if text[position : position + 1] != "}":
        raise json.JSONDecodeError("the list does not end", text, position)
    return position + 1


def repeated(source: Source, text: str, at: Span) -> Iterator[Gap]:
    """The keys that an object of a value has twice, each with the place of the one before. ``at`` is the place of the value."""
    seen: list[dict[str, Span] | None] = []
    line, start, before = at.line, 1 - at.column, ""
    for found in TOKEN.finditer(text):
        token, begin = found.group(1), found.start(1)
        if skipped := text.count("\n", found.start(), begin):
            line, start = line + skipped, text.rfind("\n", 0, begin) + 1
        if token in ("{", "["):
            seen.append({} if token == "{" else None)
        elif token in ("}", "]"):
            seen.pop()
        elif before in ("{", ",") and seen and (keys := seen[-1]) is not None:
            key, place = json.loads(token), Span(source.path, line, begin - start + 1, line, begin - start + 1 + len(token))
            if key in keys:
                yield Gap(place, f"the key {key!r} stands here twice", source.kind, source.scope, first=keys[key])
            keys[key] = place
        before = token


class Finder:
    """Lines and columns of offsets that do not go back, and the shapes of what was found there."""

    def __init__(self, source: Source) -> None:
        self.shapes = JsonShapes()
        self.source, self.seen, self.line, self.start = source, 0, 1, 0
        self.decoder = json.JSONDecoder(object_pairs_hook=self.object, parse_constant=refuse_constant)
        self.twice = False

    def object(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        """An object of JSON, of whose values for one key the last counts; remembers whether a key stands twice in it."""
        found = dict(pairs)
        self.twice |= len(found) < len(pairs)
        return found

    def span(self, offset: int) -> Span:
        """The place of a character."""
        count = self.source.text.count("\n", self.seen, offset)
        if count:
            self.line += count
            self.start = self.source.text.rfind("\n", 0, offset) + 1
        self.seen = max(self.seen, offset)
        return Span(self.source.path, self.line, offset - self.start + 1)
