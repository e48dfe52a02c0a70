"""Small readers that the parsers of ``ip`` and ``bridge`` share: words with their columns, JSON items with their places."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence, Set
from typing import Any, TypeVar

from analyzer.source import Source, Span

T = TypeVar("T")

BEGINNINGS = (
    *(
        "Cannot ",
        "Error: ",
        "RTNETLINK answers",
        'Device "',
        "Dump terminated",
        "Dump was interrupted",
        "Failed to ",
        "bash: ",
        "sh: ",
    ),
    *("Usage: ", "Command line is not complete"),
)
UNKNOWN = re.compile(r"Object \".*\" is unknown")
WORD = re.compile(r"\S+")


FAILED = "the command failed"
"""How the words of a gap begin that is a command's error."""


def refuse_errors(line: str) -> None:
    """Raises ValueError where a line is a command's error and not its output."""
    if line.startswith(BEGINNINGS) or line.endswith(": not found") or UNKNOWN.match(line) or says(line):
        raise ValueError(f"{FAILED}: {line.strip()}")


def says(line: str) -> bool:
    """Whether a line has the words of an error."""
    return (
        ": command not found" in line
        or "No such file or directory" in line
        or "Permission denied" in line
        or "Operation not permitted" in line
    )


def span_of(source: Source, number: int, line: str, word: str, start: int = 0) -> Span:
    """The place of a word in a line; the whole line where it is not there."""
    found = line.find(word, start)
    if found < 0:
        return Span(source.path, number)
    return Span(source.path, number, found + 1, number, found + len(word) + 1)


def word_at(at: Span, line: str, word: str) -> Span:
    """The place of a word in the line that ``at`` names."""
    found = line.find(word)
    if found < 0:
        return at
    return Span(at.path, at.line, found + 1, at.line, found + len(word) + 1)


def is_json(text: str) -> bool:
    """Whether a text is meant as JSON."""
    return text.lstrip()[:1] in ("[", "{")


def json_items(
    source: Source, pairs: Callable[[list[tuple[str, Any]]], dict[str, Any]] | None = None
) -> Iterator[tuple[Mapping[str, Any], Span]]:
    """The objects of a JSON array (or of several texts one after the other), each with its place; {} placeholders are left out.

    ``ip -j`` prints one line, ``ip -j -p`` many: the place is that of the item's opening brace. Raises ValueError where the text breaks off;
    the items before are given first. ``pairs`` makes an object of its keys and values, where keys repeat.
    """
    text, position, decoder = source.text, 0, json.JSONDecoder(object_pairs_hook=pairs)
    places, opened = Places(source), 0
    while (after := skip(text, position)) < len(text):
        opened -= text.count("]", position, after)
        position = after
        if text[position] == "{":
            item, end = decoder.raw_decode(text, position)
            if "encap" in item:
                item = json.JSONDecoder(object_pairs_hook=first_of_each).raw_decode(text, position)[0]
            if item:
                yield item, places.span(position, end)
            position = end
        elif text[position] == "[":
            opened += 1
            position += 1
        else:
            raise ValueError(f"expected a JSON object at {text[position : position + 20]!r}")
    if opened > text.count("]", position):
        raise ValueError("the text breaks off: the list of JSON is not closed")


def first_of_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The first value of each key: ``ip -j route`` repeats ``dst`` for that of an encapsulation (iproute2 ip/iproute_lwtunnel.c, print_encap_ip)."""
    return dict(reversed(pairs))


def skip(text: str, position: int) -> int:
    """The next position that is not white space, a comma or a closing bracket."""
    while position < len(text) and text[position] in " \t\r\n,]":
        position += 1
    return position


class Places:
    """Turns offsets into lines and columns; offsets must not go back."""

    def __init__(self, source: Source) -> None:
        self.source, self.line, self.start = source, 1, 0

    def span(self, begin: int, end: int) -> Span:
        """The place between two offsets of one item (its end is where its first line ends, if it spans several)."""
        text = self.source.text
        count = text.count("\n", self.start, begin)
        if count:
            self.line += count
            self.start = text.rfind("\n", 0, begin) + 1
        last = text.find("\n", begin, end)
        column = begin - self.start + 1
        return Span(self.source.path, self.line, column, self.line, column + (end if last < 0 else last) - begin)


def refuse_others(words: Sequence[str], values: Container[str], flags: Container[str]) -> None:
    """ValueError for a word that is neither a key with a value nor a flag: what it could have said is not known."""
    position = 0
    while position < len(words):
        word = words[position]
        if word not in values and word not in flags:
            raise ValueError(f"the word {word!r} is not known")
        if word in values and position + 1 == len(words):
            raise ValueError(f"{word!r} has no value")
        position += 2 if word in values else 1


def refuse_keys(item: Mapping[str, object], known: Set[str]) -> None:
    """ValueError for a key of JSON that is not known, as for a word of the text form."""
    if not item.keys() <= known:
        raise ValueError(f"the key {min(item.keys() - known)!r} is not known")


def of_table(table: Mapping[str, T], word: str, what: str) -> T:
    """What a table has for a word; ValueError that says what the word should be, where it has none."""
    if word not in table:
        raise ValueError(f"{word[:40]!r} is no {what} that is known")
    return table[word]
