"""Where the name of a field stands: places are of values, while a misspelt field is wrong in its name."""

from __future__ import annotations

from analyzer.model.network import Network
from analyzer.source import Source, Span

__all__ = ["name_place"]

ABOVE = 3
"""A value may begin on a line below its name, with a comment or an empty line between."""


def name_place(network: Network, value: Span, name: str) -> Span:
    """The place of a field's name, without its quotes, by the place of its value; the value's own place where the name is not found before it."""
    source = network.sources.get(value.path)
    if source is None or not name:
        return value
    line = source.line(value.line)
    if found := ending(without_properties(line[: value.column - 1]), value.path, value.line, name):
        return found
    own = line[value.column - 1 : value.end_column - 1 if value.end_line == value.line else None]
    if own in (name, f'"{name}"', f"'{name}'"):  # Of objects and lists the place is that of the name.
        return part_of_line(value.path, value.line, value.column + (own != name), name)
    return above(source, value, name) or value


def above(source: Source, value: Span, name: str) -> Span | None:
    """The place of a name that stands on a line before its value's."""
    if without_properties(source.line(value.line)[: value.column - 1]):
        return None
    for line in range(value.line - 1, max(value.line - 1 - ABOVE, 0), -1):
        if text := without_properties(source.line(line).partition(" #")[0]):
            return ending(text, value.path, line, name)
    return None


def ending(text: str, path: str, line: int, name: str) -> Span | None:
    """The place of a name that a text ends with, followed by a colon."""
    if not text.endswith(":"):
        return None
    text = text[:-1].rstrip()
    for quote in ('"', "'", ""):
        whole = f"{quote}{name}{quote}"
        if text.endswith(whole) and (quote or text[: -len(whole)][-1:] in ("", " ", "\t", "{", ",", "[")):
            return part_of_line(path, line, len(text) - len(whole) + len(quote) + 1, name)
    return None


def without_properties(text: str) -> str:
    """The text of a line before a value, without blanks at its end and without the value's tag and anchor."""
    found = text.rstrip()
    while (words := found.rsplit(None, 1)) and words[-1].startswith(("&", "!")):
        found = words[0].rstrip() if len(words) > 1 else ""
    return found


def part_of_line(path: str, line: int, column: int, text: str) -> Span:
    """The place of a text in a line."""
    return Span(path, line, column, line, column + len(text))
