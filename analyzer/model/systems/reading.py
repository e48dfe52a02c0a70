"""Reading the values that systems' configuration holds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from analyzer.addresses import Prefix, prefix
from analyzer.facts.kubernetes import ConfigMapFact, Located
from analyzer.model.cluster import Range, Setting
from analyzer.source import Source, Span

LIMIT = 65536


def prefixes(text: object) -> Iterator[Prefix]:
    """The networks of a comma-separated text; what is none is left out (the API server would have refused it)."""
    for part in str(text).strip("\"' ").replace(",", " ").split():
        try:
            yield prefix(part.strip("\"'"))
        except ValueError:
            continue


def mapping(value: object) -> Mapping[str, Any]:
    """The value where it is a mapping, else an empty one."""
    return value if type(value) is dict or isinstance(value, Mapping) else {}


def listing(value: object) -> Sequence[Any]:
    """The value where it is a list, else an empty one."""
    return value if isinstance(value, list | tuple) else ()


def line_of(located: Located, text: str, texts: Mapping[str, Source]) -> Span:
    """The line of a text inside a value of several lines; the value's place where it is not found."""
    source = texts.get(located.at.path)
    if source is None or "\n" not in located.value:
        return located.at
    first = located.at.line
    count = located.value.count("\n") + 2
    for number, line in enumerate(source.text.split("\n")[first - 1 : first - 1 + count], first):
        if (column := line.find(text)) >= 0:
            return Span(source.path, number, column + 1, number, column + 1 + len(text))
    return located.at


def ranges_of(purpose: str, found: Located | None, said_by: str, system: str) -> Iterator[Range]:
    """The networks of a value."""
    for item in prefixes(found.value) if found is not None else ():
        yield Range(purpose, item, found.at, said_by, system)  # type: ignore[union-attr]


def settings_of(system: str, found: Iterable[tuple[str, Located | None, str]]) -> Iterator[Setting]:
    """Settings of values that are there: each its key, its value and who says it."""
    for key, located, said_by in found:
        if located is not None and located.value != "":
            yield Setting(system, key, located.value, located.at, said_by)


def line_value(fact: ConfigMapFact, key: str, name: str, texts: Mapping[str, Source]) -> Located | None:
    """The value of ``name: value`` (also ``name=value`` and JSON's) on a line of a ConfigMap's text."""
    located = fact.data.get(key)
    if located is None:
        return None
    found = re.search(rf"^\s*\"?{re.escape(name)}\"?\s*[:=]\s*([^\s#].*?),?\s*(?:\s#.*)?$", located.value[:LIMIT], re.MULTILINE)
    if found is None:
        return None
    return Located(found[1].strip("\"'"), line_of(located, found[0].strip(), texts))
