"""YAML documents from the parser's events, with a stack of its own, so that depth, aliases and size are limited here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from analyzer.parsers import gap
from analyzer.parsers._documents import Document, Mark, Marks, Places
from analyzer.parsers._scalars import key_text, plain, tagged
from analyzer.parsers._yaml_causes import cause
from analyzer.source import Gap, Source, Span

EVENTS: Any = getattr(yaml, "CLoader", yaml.Loader)
DEPTH = 100
EXPANSION = 1_000_000
MERGE = "<<"
MISSING = ": a line with --- is missing before it"


@dataclass(slots=True)
class Frame:
    """A mapping or a sequence while it is read. ``size`` counts the values inside, those that aliases stand for as well."""

    value: Any
    mark: Mark
    anchor: str | None
    key: str | None = None
    key_mark: Mark | None = None
    merged: set[str] = field(default_factory=set)
    size: int = 1


@dataclass(slots=True)
class Builder:
    """Turns events into values and marks. ``offset`` is the number of lines before the text that the events come from.
    ``outer`` are keys that the document itself has twice, ``joined`` that another object seems to begin with one."""

    source: Source
    offset: int
    stack: list[Frame] = field(default_factory=list)
    anchors: dict[str, tuple[Any, Mark, int]] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    result: tuple[Any, Mark] | None = None
    outer: list[Gap] = field(default_factory=list)
    joined: bool = False

    def event(self, event: Any) -> None:
        """One event of a document."""
        if isinstance(event, yaml.ScalarEvent):
            value = scalar(event)
            mark = self.mark(event)
            if event.anchor:
                self.anchors[event.anchor] = (value, mark, 1)
            self.add(value, mark, 1, merge=value == MERGE and event.implicit[0])
        elif isinstance(event, yaml.MappingStartEvent):
            self.open({}, event)
        elif isinstance(event, yaml.SequenceStartEvent):
            self.open([], event)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self.close()
        elif isinstance(event, yaml.AliasEvent):
            self.alias(event)

    def mark(self, event: Any) -> Mark:
        """The place of a scalar."""
        start, end = event.start_mark, event.end_mark
        if end.line != start.line:
            return (start.line + self.offset, start.column + 1, 0, 0, None)
        return (start.line + self.offset, start.column + 1, end.line + self.offset, end.column + 1, None)

    def open(self, value: Any, event: Any) -> None:
        """A mapping or sequence begins."""
        if len(self.stack) >= DEPTH:
            raise ValueError(f"values are nested more than {DEPTH} deep")
        marks: Marks = {}
        start = event.start_mark
        mark: Mark = (start.line + self.offset, start.column + 1, 0, 0, marks)
        parent = self.stack[-1] if self.stack else None
        if parent and parent.key_mark and isinstance(parent.value, dict):
            mark = (*parent.key_mark[:4], marks)
        self.stack.append(Frame(value, mark, event.anchor))

    def close(self) -> None:
        """A mapping or sequence ends."""
        frame = self.stack.pop()
        if frame.anchor:
            self.anchors[frame.anchor] = (frame.value, frame.mark, frame.size)
        self.add(frame.value, frame.mark, frame.size)

    def alias(self, event: Any) -> None:
        """A value that stands elsewhere."""
        if event.anchor not in self.anchors:
            raise ValueError(f"the alias *{event.anchor} stands for nothing that is complete before it")
        value, mark, size = self.anchors[event.anchor]
        self.add(value, mark, size)

    def add(self, value: Any, mark: Mark, size: int, merge: bool = False) -> None:
        """Puts a value where it belongs."""
        if not self.stack:
            self.result = (value, mark)
            return
        frame = self.stack[-1]
        frame.size += size
        if frame.size > EXPANSION:
            raise ValueError(f"a document of more than {EXPANSION:,} values, aliases written out")
        inner = frame.mark[4]
        if isinstance(frame.value, list):
            if inner is not None:
                inner[len(frame.value)] = mark
            frame.value.append(value)
        elif frame.key is None:
            frame.key, frame.key_mark = (MERGE + MERGE if merge else key_text(value)), mark
        else:
            self.pair(frame, value, mark)

    def pair(self, frame: Frame, value: Any, mark: Mark) -> None:
        """A key with its value; of two the later counts, as in JSON, and a gap says so."""
        key, where = frame.key or "", frame.key_mark
        frame.key = frame.key_mark = None
        if key == MERGE + MERGE:
            merge(frame, value, mark)
            return
        if key in frame.value and where and key not in frame.merged:
            self.repeated(frame, key, where)
        frame.value[key] = value
        if frame.mark[4] is not None:
            frame.mark[4][key] = mark

    def repeated(self, frame: Frame, key: str, where: Mark) -> None:
        """A key that stands there already."""
        first = (frame.mark[4] or {}).get(key)
        place = Span(self.source.path, *first[:4]) if first else None
        found = Gap(Span(self.source.path, *where[:4]), f"the key {key!r} stands here twice", self.source.kind, first=place)
        (self.outer if len(self.stack) == 1 else self.gaps).append(found)
        self.joined = self.joined or (len(self.stack) == 1 and key == "apiVersion")

    def all_gaps(self) -> list[Gap]:
        """The gaps of the document. Two objects without ``---`` between them are told once, and not for each key of the second."""
        if not self.joined:
            return sorted([*self.gaps, *self.outer])
        return sorted([*self.gaps, replace(self.outer[0], reason=f"{self.outer[0].reason}{MISSING}")])


def merge(frame: Frame, value: Any, mark: Mark) -> None:
    """``<<: *other``: the keys of the other mapping; as in goyaml.v2 they replace those before and yield to those behind.

    ValueError where the value is no mapping and no sequence of mappings.
    """
    if isinstance(value, list):
        for index in reversed(range(len(value))):
            merge(frame, value[index], (mark[4] or {})[index])
        return
    if not isinstance(value, dict):
        raise ValueError("map merge requires a map or a sequence of maps as the value")
    given = mark[4] or {}
    for key, item in value.items():
        frame.value[key] = item
        if frame.mark[4] is not None:
            frame.mark[4][key] = given[key]
    frame.merged.update(value)


def scalar(event: Any) -> Any:
    """A scalar's value."""
    if event.tag and event.tag != "!":
        return tagged(event.tag, event.value)
    return plain(event.value) if event.implicit[0] else event.value


def whole(source: Source, text: str, line: int) -> Iterator[Document | Gap]:
    """The documents of a text that begins at a line; ValueError where it is broken."""
    try:
        yield from events(source, text, line)
    except yaml.YAMLError as problem:
        raise ValueError(str(problem)) from problem


def chunk_documents(source: Source, chunk: str, line: int) -> Iterator[Document | Gap]:
    """The documents of a text that begins at a line; what was complete before an error is given."""
    try:
        yield from events(source, chunk, line)
    except yaml.YAMLError as problem:
        where = getattr(problem, "problem_mark", None)
        number = line + (where.line if where else 0)
        reason = getattr(problem, "problem", None) or str(problem).split("\n")[0]
        context = getattr(problem, "context", None)
        column = where.column + 1 if where else 1
        words = cause(chunk, where.line if where else 0, f"{reason} {context}" if context else reason)
        yield Gap(
            Span(source.path, number, column), f"this YAML document is broken here: {words}", source.kind, source.scope, lost=True
        )
        yield from salvaged(source, chunk, line)
    except (ValueError, LookupError, RecursionError) as problem:
        yield gap(source, line, f"this YAML document cannot be read: {problem}")


def events(source: Source, chunk: str, line: int) -> Iterator[Document | Gap]:
    """Parses; raises YAMLError and ValueError."""
    loader = EVENTS(chunk)
    builder = Builder(source, line)
    try:
        while loader.check_event():
            event = loader.get_event()
            take(builder, event)
            if isinstance(event, yaml.DocumentEndEvent):
                yield from builder.all_gaps()
                if builder.result is not None:
                    value, mark = builder.result
                    yield Document(value, Places(source.path, mark))
                builder = Builder(source, line)
    finally:
        loader.dispose()


def take(builder: Builder, event: Any) -> None:
    """Gives the builder an event; what it refuses is an error at the event's place."""
    try:
        builder.event(event)
    except (ValueError, LookupError) as problem:
        raise yaml.MarkedYAMLError(problem=str(problem), problem_mark=event.start_mark) from problem


ITEMS = re.compile(r"^items:[ \t]*\n(?P<indent> *)- ", re.MULTILINE)


def salvaged(source: Source, chunk: str, line: int) -> Iterator[Document | Gap]:
    """The items of a list, as ``kubectl get -o yaml`` writes it, that can be read by themselves when the whole cannot."""
    found = ITEMS.search(chunk)
    if not found:
        return
    starts = [item.start() for item in re.finditer(f"^{found['indent']}- ", chunk[found.start("indent") :], re.MULTILINE)]
    starts = [start + found.start("indent") for start in starts]
    number = line + chunk.count("\n", 0, starts[0])
    for begin, end in zip(starts, [*starts[1:], None], strict=True):
        item = chunk[begin:end]
        try:
            # The last item may be cut; what follows the list (kind: List) shows that it is not.
            last = end is None and not re.search(r"^\S", item[2:].partition("\n")[2], re.MULTILINE)
            if not last:
                text = item if end is not None else re.split(r"^(?=[^\s-])", item, maxsplit=1, flags=re.MULTILINE)[0]
                yield from events(source, text, number)
        except (yaml.YAMLError, ValueError, LookupError, RecursionError):
            yield gap(source, number, "this item of the list cannot be read")
        number += item.count("\n")
