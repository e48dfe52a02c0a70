"""A rendered document, written so that what it has in common with the one that it was made from stands at the same lines and columns.

YAML in flow style may be broken anywhere, so that each key and value can be put where the original has it, in the original's order; what was added
follows where there is room. The YAML says the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
BARE = re.compile(r"[^,\[\]{}#:\n'\"&*!|>%@`]+(?::[^,\[\]{}#:\s]+)*")
"""Plain scalars that are the same in flow style."""


QUOTED = frozenset("'\"|>")


class Token(NamedTuple):
    """A part of the text, and where the original has it, from 0; -1 where it has no such part."""

    text: str
    line: int = -1
    column: int = -1


def on_nodes(rendered: str, original: str) -> str | None:
    """The rendered document at the places of the original. The text begins with ``---``; its first line is the original's. None where one is no YAML."""
    try:
        value, node = yaml.compose(rendered, Loader=LOADER), yaml.compose(original, Loader=LOADER)
        text = written(tokens(value, node)) if value is not None else ""
        same = yaml.load(text, Loader=LOADER) == yaml.load(rendered, Loader=LOADER)
    except (yaml.YAMLError, RecursionError, ValueError):
        return None
    return text if same else None


def written(parts: Iterator[Token]) -> str:
    """The tokens, each at its place where that is not passed already."""
    lines = ["--- "]
    for text, line, column in parts:
        while len(lines) <= line:
            lines.append("")
        if line == len(lines) - 1 and len(lines[-1]) < column:
            lines[-1] = lines[-1].ljust(column)
        lines[-1] += text
    return "\n".join(map(str.rstrip, lines)) + "\n"


def tokens(value: yaml.Node, node: yaml.Node | None, *, item: bool = False) -> Iterator[Token]:
    """The parts of a value, at the places of a node of the original. ``item``: it is one of a sequence."""
    if isinstance(value, yaml.MappingNode):
        yield Token("{", *opening(node, item))
        yield from mapping(value, node if isinstance(node, yaml.MappingNode) else None)
        yield Token("}")
    elif isinstance(value, yaml.SequenceNode):
        yield Token("[", *opening(node))
        yield from sequence(value, node if isinstance(node, yaml.SequenceNode) else None)
        yield Token("]")
    else:
        yield placed(value, node)


def opening(node: yaml.Node | None, item: bool = False) -> tuple[int, int]:
    """Where a collection is opened: where the original's bracket is, or the mapping behind a dash; -1 where it needs no place."""
    if node is None or not node.start_mark:
        return -1, -1
    flow = isinstance(node, yaml.CollectionNode) and node.flow_style
    return (node.start_mark.line, node.start_mark.column - (not flow)) if flow or item else (-1, -1)


def mapping(value: yaml.MappingNode, node: yaml.MappingNode | None) -> Iterator[Token]:
    """The keys and values of a mapping: those of the original in its order, then the others."""
    known = {key.value: (number, key, item) for number, (key, item) in enumerate(node.value if node else ())}
    last = len(known)
    ordered = sorted(value.value, key=lambda pair: known[pair[0].value][0] if pair[0].value in known else last)
    for number, (key, item) in enumerate(ordered):
        _, own, its = known.get(key.value, (0, None, None))
        yield placed(key, own)
        yield Token(": ")
        yield from tokens(item, its)
        yield Token(", " if number < len(ordered) - 1 else "")


def sequence(value: yaml.SequenceNode, node: yaml.SequenceNode | None) -> Iterator[Token]:
    """The items of a sequence: with as many as the original has, each at its place, else those at theirs whose name the original has too."""
    others = list(node.value) if node else []
    same = len(others) == len(value.value)
    by_name = {name_of(other): other for other in others if name_of(other)}
    for number, item in enumerate(value.value):
        yield from tokens(item, others[number] if same else by_name.get(name_of(item)), item=True)
        yield Token(", " if number < len(value.value) - 1 else "")


def name_of(node: yaml.Node) -> str:
    """What tells an item from the others: its name, or its text."""
    if isinstance(node, yaml.MappingNode):
        return next((str(value.value) for key, value in node.value if key.value == "name"), "")
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def placed(value: yaml.Node, node: yaml.Node | None) -> Token:
    """A scalar at the place of the original's."""
    text = spelled(value)
    return Token(text, node.start_mark.line, node.start_mark.column) if node and node.start_mark else Token(text)


def spelled(value: yaml.Node) -> str:
    """A scalar as it is written in flow style: plain where it was and may be, else quoted."""
    plain = isinstance(value, yaml.ScalarNode) and value.style not in QUOTED
    if plain and not value.value:
        return "null"
    return str(value.value) if plain and BARE.fullmatch(value.value) else json.dumps(value.value, ensure_ascii=False)
