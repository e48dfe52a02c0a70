"""The blocks of ``nft list ruleset``: tables, and in them chains, sets and other objects, each with its statements and their lines.

Also reads the commands ``add table``, ``add chain``, ``add rule``, ``add set``, ``add map`` and ``add element`` as programs write them for ``nft -f``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

SPECIAL = re.compile(r'"[^"\n]*"|\\\n|#[^\n]*|[{};\n]')
FAMILY = r"(?:(ip6?|inet|arp|bridge|netdev)\s+)?"
TABLE = re.compile(rf"(?:(?:add|create)\s+)?table\s+{FAMILY}(\S+)$")
OBJECT = re.compile(
    r"(chain|set|map|flowtable|counter|quota|limit|ct helper|ct timeout|ct expectation|secmark|synproxy|meter)\s+(\S+)$"
)
COMMAND = re.compile(rf"(?:add|create|insert)\s+(table|chain|set|map|flowtable|rule|element|counter)\s+{FAMILY}(.*)$", re.DOTALL)


class Line(NamedTuple):
    """A statement with the line that it starts on."""

    text: str
    number: int


@dataclass(slots=True)
class Block:
    """A chain, set or other object: its statements."""

    kind: str
    name: str
    line: int
    lines: list[Line] = field(default_factory=list)


@dataclass(slots=True)
class TableBlock:
    """A table."""

    family: str
    name: str
    line: int
    lines: list[Line] = field(default_factory=list)
    blocks: dict[tuple[str, str], Block] = field(default_factory=dict)

    def block(self, kind: str, name: str, line: int) -> Block:
        """An object by kind and name, made when it is first met."""
        return self.blocks.setdefault((kind, name), Block(kind, name, line))


@dataclass(slots=True)
class Blocks:
    """What a text holds so far: its tables, the lines that are none of it, and the blocks that are open.

    ``inner``: how many braces of sets are open within a statement; ``skipped``: of blocks that are not known.
    """

    tables: dict[tuple[str, str], TableBlock] = field(default_factory=dict)
    strange: list[Line] = field(default_factory=list)
    open: list[TableBlock | Block] = field(default_factory=list)
    inner: int = 0
    skipped: int = 0

    def in_block(self) -> bool:
        """Whether statements of a chain or another object stand here."""
        return bool(self.open) and isinstance(self.open[-1], Block)

    def holds(self, head: str) -> bool:
        """Whether a brace after these words opens a set within a statement, and not a block."""
        return self.in_block() or (not self.open and COMMAND.match(head) is not None and TABLE.match(head) is None)

    def opened(self, head: Line) -> None:
        """A block that begins."""
        found = OBJECT.match(head.text) if self.open else TABLE.match(head.text)
        if self.skipped or found is None:
            self.strange += [] if self.skipped else [head]
            self.skipped += 1
        elif self.open and isinstance(self.open[-1], TableBlock):
            self.open.append(self.open[-1].block(found.group(1), found.group(2).strip('"'), head.number))
        else:
            self.open.append(self.table(found.group(1) or "ip", found.group(2), head.number))

    def closed(self) -> None:
        """A block that ends."""
        if self.skipped:
            self.skipped -= 1
        elif self.open:
            self.open.pop()

    def ended(self, line: Line) -> None:
        """A whole statement."""
        if not line.text or self.skipped:
            return
        if self.open:
            self.open[-1].lines.append(line)
        elif (command := COMMAND.match(line.text)) is not None:
            commanded(self, command, line)
        elif line.text != "flush ruleset":
            self.strange.append(line)

    def table(self, family: str, name: str, line: int) -> TableBlock:
        """A table, made when it is first met."""
        return self.tables.setdefault((family, name), TableBlock(family, name, line))


def blocks_of(text: str) -> Blocks:
    """All blocks of a text. ``open`` are those in which it breaks off."""
    found = Blocks()
    parts: list[str] = []
    position, number, first = 0, 1, 1
    for special in SPECIAL.finditer(text):
        word, piece = special.group(), text[position : special.start()]
        if word[0] == '"' or (word[0] == "#" and hidden(found, "".join(parts) + piece, word)):
            continue
        number += word[-1] == "\n"
        if word[0] in "#\\" or (word == "\n" and found.inner):
            parts += [piece, " "]
            position = special.end()
            continue
        if word != "\n" and (
            found.inner or (word == "{" and not found.skipped and found.holds(("".join(parts) + piece).strip()))
        ):
            found.inner += {"{": 1, "}": -1}.get(word, 0)
            continue
        line = Line("".join([*parts, piece]).strip(), first)
        if word == "{":
            found.opened(line)
        else:
            found.ended(line)
            if word == "}":
                found.closed()
        parts, position, first = [], special.end(), number
    found.ended(Line("".join([*parts, text[position:]]).strip(), first))
    return found


def hidden(found: Blocks, before: str, note: str) -> bool:
    """Whether a ``#`` in a rule is no comment: older nft shows matches of iptables that it cannot translate so (xt.c ``xt_stmt_xlate``)."""
    rule = found.in_block() and found.open[-1].kind == "chain"  # type: ignore[union-attr]
    return rule and (bool(before.strip()) or " counter packets " in note)


def commanded(found: Blocks, command: re.Match[str], line: Line) -> None:
    """One command of a program."""
    kind, family, rest = command.group(1), command.group(2) or "ip", command.group(3).strip()
    name, _, rest = rest.partition(" ")
    table = found.table(family, name, line.number)
    if kind == "table" or not rest.strip():
        return
    inner, _, body = rest.strip().partition(" ")
    if kind == "rule":
        table.block("chain", inner, line.number).lines.append(Line(body.strip(), line.number))
    elif kind == "element":
        known = next((key for key in (("map", inner), ("set", inner)) if key in table.blocks), None)
        block = table.block(*(known or ("map" if re.search(r"\s:\s", body) else "set", inner)), line.number)
        block.lines.append(Line(f"elements = {body.strip()}", line.number))
    else:
        block = table.block(kind, inner, line.number)
        block.lines += [Line(part, line.number) for part in parts_of(body)]


def parts_of(body: str) -> Iterator[str]:
    """The statements between the braces of a command."""
    text = body.strip()
    if text.startswith("{"):
        text = text[1:].removesuffix("}")
    inner, last = 0, 0
    for special in SPECIAL.finditer(text):
        word = special.group()
        inner += {"{": 1, "}": -1}.get(word, 0)
        if word == ";" and not inner:
            yield text[last : special.start()].strip()
            last = special.end()
    if text[last:].strip():
        yield text[last:].strip()
