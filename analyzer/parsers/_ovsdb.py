"""Values of OVSDB as its tools print them: ``ovs-vsctl list`` and ``ovn-nbctl list`` in text and JSON, and the tables of ``ovsdb-client dump``.

After lib/ovsdb-data.c (``ovsdb_datum_to_string``), lib/table.c and RFC 7047, 5.1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from analyzer.parsers import UNREADABLE, gap, reason
from analyzer.source import Gap, Source, Span

Value = str | tuple["Value", ...] | Mapping[str, str]
TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[\[\]{}=,]|[^\s\[\]{}=,"]+)')
COLUMN = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*: ?(.*)")
PASSED = re.compile(r"\s*(#.*|\$ .*|\.\.\.|sh-\S+ .*|\[\S+@\S+ .*|-+|❯ .*)\s*")
TITLE = re.compile(r"(\w+) table")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table: its columns, and the place of each. ``table`` is empty where the text does not name it."""

    at: Span
    columns: Mapping[str, Value]
    places: Mapping[str, Span]
    table: str = ""

    def text(self, name: str) -> str:
        """A column with one value; empty where it has none."""
        value = self.columns.get(name, "")
        if isinstance(value, str):
            return value
        return value[0] if isinstance(value, tuple) and value and isinstance(value[0], str) else ""

    def texts(self, name: str) -> tuple[str, ...]:
        """The values of a set."""
        value = self.columns.get(name, ())
        if isinstance(value, str):
            return (value,) if value else ()
        return tuple(item for item in value if isinstance(item, str)) if isinstance(value, tuple) else ()

    def pairs(self, name: str) -> tuple[tuple[str, str], ...]:
        """A map, sorted."""
        value = self.columns.get(name)
        return tuple(sorted(value.items())) if isinstance(value, Mapping) else ()

    def number(self, name: str) -> int | None:
        """A number; None where there is none."""
        text = self.text(name)
        return int(text) if re.fullmatch(r"-?\d{1,18}", text) else None

    def truth(self, name: str) -> bool:
        """Whether a column is true."""
        return self.text(name) == "true"

    def place(self, name: str) -> Span:
        """Where a column stands; the row where it does not."""
        return self.places.get(name, self.at)


def value_of(text: str) -> Value:
    """``up``, ``"a b"``, ``[a, b]``, ``{key=value, …}``."""
    words = TOKEN.findall(text)
    if not words:
        return ""
    if words[0] == "[":
        return tuple(unquoted(word) for word in words[1:] if word not in ("]", ","))
    if words[0] == "{":
        return mapping(words[1:])
    if words[0].startswith('"') and len(words) == 1:
        return unquoted(words[0])
    return text.strip()


def mapping(words: list[str]) -> Mapping[str, str] | tuple[str, ...]:
    """The rest of ``{key=value, …}``."""
    found: dict[str, str] = {}
    key = ""
    parts: list[str] = []
    named = False
    for word in words:
        if word == "=" and not named:
            key, parts, named = "".join(parts), [], True
        elif word in (",", "}"):
            if named:
                found[key] = "".join(parts)
            elif parts:
                found["".join(parts)] = ""
            key, parts, named = "", [], False
        else:
            parts.append(unquoted(word))
    return found


def unquoted(word: str) -> str:
    """A word without its quotes."""
    if not word.startswith('"'):
        return word
    try:
        return str(json.loads(word))
    except ValueError:
        return word.strip('"')


def rows(source: Source) -> Iterator[Row | Gap]:
    """The rows of a text: records (``list``), tables (``dump``) or JSON."""
    if source.text.lstrip()[:1] in ("{", "["):
        yield from json_rows(source)
    elif any(TITLE.fullmatch(line.strip()) for line in source.text.split("\n", 400)[:400]):
        yield from table_rows(source)
    else:
        yield from record_rows(source)


def record_rows(source: Source) -> Iterator[Row | Gap]:
    """``column : value`` by line, an empty line between the records."""
    columns: dict[str, Value] = {}
    places: dict[str, Span] = {}
    for number, line in enumerate(source.text.split("\n"), 1):
        if columns and (not line.strip() or line.lstrip().startswith("_uuid")):
            yield Row(next(iter(places.values())), columns, places)
            columns, places = {}, {}
        if not line.strip() or PASSED.fullmatch(line):
            continue
        found = COLUMN.fullmatch(line.strip())
        if found is None:
            yield gap(source, number, "a column with its value was expected: name : value")
            continue
        columns[found[1]] = value_of(found[2])
        places[found[1]] = Span(source.path, number, found.start(2) + 1)
    if columns:
        yield Row(next(iter(places.values())), columns, places)


def table_rows(source: Source) -> Iterator[Row | Gap]:
    """``Port table``, a line of names, a line of dashes under each, and a line for each row."""
    table, names = "", ""
    bounds: list[tuple[int, int]] = []
    for number, line in enumerate(source.text.split("\n"), 1):
        title = TITLE.fullmatch(line.strip())
        if title is not None:
            table, names, bounds = title[1], "", []
        elif not line.strip():
            continue
        elif re.fullmatch(r"-+( -+)*", line.strip()):
            bounds = [found.span() for found in re.finditer("-+", line)]
        elif not bounds:
            names = line
        else:
            try:
                yield table_row(source, table, names, bounds, number, line)
            except UNREADABLE as problem:
                yield gap(source, number, reason(problem))


def table_row(source: Source, table: str, names: str, bounds: list[tuple[int, int]], number: int, line: str) -> Row:
    """One row of a table; the last column has no end."""
    columns: dict[str, Value] = {}
    places: dict[str, Span] = {}
    for place, (start, end) in enumerate(bounds):
        stop = None if place == len(bounds) - 1 else end
        name = names[start:stop].strip()
        columns[name] = value_of(line[start:stop].strip())
        places[name] = Span(source.path, number, start + 1)
    return Row(Span(source.path, number), columns, places, table)


def json_rows(source: Source) -> Iterator[Row | Gap]:
    """``{"headings": […], "data": [[…]]}``, one object or several."""
    text, position, decoder = source.text, 0, json.JSONDecoder()
    while position < len(text):
        if text[position] in " \t\r\n":
            position += 1
            continue
        line = text.count("\n", 0, position) + 1
        table, position = decoder.raw_decode(text, position)
        headings = [str(name) for name in table["headings"]]
        at = Span(source.path, line)
        for item in table["data"]:
            columns = {name: json_value(value) for name, value in zip(headings, item, strict=True)}
            yield Row(at, columns, {}, str(table.get("caption") or "").removesuffix(" table"))


def json_value(value: object) -> Value:
    """A value of RFC 7047: an atom, ``["set", […]]``, ``["map", [[k, v]]]`` or ``["uuid", u]``."""
    match value:
        case ["set", [*items]]:
            return tuple(atom(item) for item in items)
        case ["map", [*items]]:
            return {atom(item[0]): atom(item[1]) for item in items if isinstance(item, list) and len(item) == 2}
        case _:
            return atom(value)


def atom(value: object) -> str:
    """An atom as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and len(value) == 2 and isinstance(value[1], str):
        return value[1]
    return str(value) if isinstance(value, str | int | float) else ""
