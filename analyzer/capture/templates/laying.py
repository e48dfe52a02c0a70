"""Rendered text, laid out on the lines of the text that it was made from, so that what is found in it is found there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

import yaml

TEMPLATED = re.compile(r"\{\{.*?\}\}")
LONGEST = 5000


def laid_out(rendered: str, original: str) -> str:
    """The rendered text with blank lines put in, so that as many of its lines as possible stand where they stand in the original. Lines are never taken
    away or moved before each other, and nothing is put into a value: the YAML says the same."""
    lines, wanted = rendered.split("\n"), original.split("\n")
    if len(lines) > LONGEST or len(wanted) > LONGEST:
        return rendered
    try:
        closed = inside_scalars(rendered)
    except yaml.YAMLError:
        return rendered
    places = aligned([key_of(line) for line in lines], [key_of(line) for line in wanted])
    return "\n".join(spaced(lines, places, closed))


def aligned(lines: Sequence[str], wanted: Sequence[str]) -> dict[int, int]:
    """Where lines of the one stand in the other, by index, both ascending."""
    blocks = SequenceMatcher(None, lines, wanted, autojunk=False).get_matching_blocks()
    return {one + index: two + index for one, two, size in blocks for index in range(size) if lines[one + index]}


def spaced(lines: Sequence[str], places: dict[int, int], closed: frozenset[int]) -> Iterator[str]:
    """The lines with blank ones before those that stand further down in the original, but none before those that are closed."""
    written = 0
    for index, line in enumerate(lines):
        wanted = places.get(index, written) if index not in closed and line.strip() else written
        yield from [""] * (wanted - written)
        written = max(wanted, written) + 1
        yield line


def inside_scalars(text: str) -> frozenset[int]:
    """The lines, from 0, before which a blank one would change a value: those that a scalar goes on in, and the one behind a block."""
    found: set[int] = set()
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.ScalarEvent) and event.start_mark and event.end_mark:
            last = event.end_mark.line + (1 if event.style in ("|", ">") else 0)
            found.update(range(event.start_mark.line + 1, last + 1))
    return frozenset(found)


def key_of(line: str) -> str:
    """What a rendered line and the template's have in common: its indentation and key, or its whole text where it has no key."""
    text = TEMPLATED.sub("", line).rstrip()
    head, colon, _ = text.partition(":")
    return head + colon if colon else text
