"""Listings whose first line names their columns, and places of words in JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from analyzer.source import Source, Span

GAP = re.compile(r"\s{2,}|\t")


def starts(heading: str, names: tuple[str, ...]) -> dict[str, int]:
    """Where each of the columns that are there begins."""
    found = {name: heading.find(name) for name in names}
    return {name: column for name, column in found.items() if column >= 0}


def cells(heading: str, line: str) -> dict[str, str]:
    """The cells of a row by the titles of their columns: the columns are two blanks or more apart, or a tab, and cells begin where titles do."""
    titles = [(found.start(), found[0]) for found in re.finditer(r"\S+(?: \S+)*", heading)]
    if "\t" in heading:
        return dict(
            zip([title.strip() for title in heading.split("\t")], [cell.strip() for cell in line.split("\t")], strict=False)
        )
    ends = [start for start, _ in titles[1:]] + [max(len(line), 1)]
    return {title: line[start:end].strip() for (start, title), end in zip(titles, ends, strict=True)}


def command(source: Source) -> str:
    """The command that wrote a text, as its file would be named: what the name said, where the text is a part of a pasted one."""
    return source.subject or source.path.rsplit("/", 1)[-1]


class Finder:
    """The places of words in a text, each searched from where the last one was found; those of JSON's keys, in the order of the document."""

    def __init__(self, source: Source) -> None:
        self.source, self.at, self.line, self.start = source, 0, 1, 0

    def span(self, word: str) -> Span:
        """The place of the next occurrence; the last place where there is none."""
        text = self.source.text
        found = text.find(word, self.at)
        if found < 0:
            return Span(self.source.path, self.line)
        self.line += text.count("\n", self.start, found)
        self.start = found
        self.at = found + len(word)
        first = text.rfind("\n", 0, found) + 1
        return Span(self.source.path, self.line, found - first + 1, self.line, found - first + 1 + len(word))


def members(value: object) -> Iterator[tuple[str, Mapping[str, object]]]:
    """The members of an object that are objects themselves."""
    for key, item in value.items() if isinstance(value, Mapping) else ():
        if isinstance(item, Mapping):
            yield str(key), item
