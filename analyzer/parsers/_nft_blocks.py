"""The blocks of ``nft list ruleset``: tables, and in them chains, sets and other objects, each with its statements and their lines.

Also reads commands as programs and configuration files write them for ``nft -f``: they are carried out in their order (``_nft_commands.py``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from analyzer.parsers._nft_anonymous import CALL
from analyzer.parsers._nft_commands import SPECIAL, Block, Line, Outcome, TableBlock, carried_out, made, table_in

FAMILY = r"(?:(ip6?|inet|arp|bridge|netdev)\s+)?"
TABLE = re.compile(rf"(?:(?:add|create)\s+)?table\s+{FAMILY}(\S+)$")
DONE = re.compile(r"(?:\b(?:accept|drop|continue|return|reject.*)|\b(?:jump|goto)\s+\S+|\S\s+comment \".*\")\s*$")
HANDLE = re.compile(r"# handle \d+$")
OBJECT = re.compile(
    r"(chain|set|map|flowtable|counter|quota|limit|ct helper|ct timeout|ct expectation|secmark|synproxy|meter)\s+(\S+)$"
)


@dataclass(slots=True)
class Blocks:
    """What a text holds so far: its tables, the lines that are none of it (``anywhere``: those that may change anything; ``headless``: the heads of blocks
    that are not known), and the blocks that are open.

    ``inner``: how many braces are open within a statement, ``calls`` of these the ones of chains without a name; ``skipped``: of blocks that are not known.
    """

    tables: dict[tuple[str, str], TableBlock] = field(default_factory=dict)
    strange: list[Line] = field(default_factory=list)
    anywhere: list[Line] = field(default_factory=list)
    headless: list[Line] = field(default_factory=list)
    open: list[TableBlock | Block] = field(default_factory=list)
    inner: int = 0
    calls: list[int] = field(default_factory=list)
    skipped: int = 0

    def nested(self, word: str, head: str) -> None:
        """A brace, or something else, within a statement."""
        if word == "{":
            self.inner += 1
            self.calls += [self.inner] if CALL.search(head) else []
        elif word == "}":
            self.calls = [depth for depth in self.calls if depth != self.inner]
            self.inner -= 1

    def in_block(self) -> bool:
        """Whether statements of a chain or another object stand here."""
        return bool(self.open) and isinstance(self.open[-1], Block)

    def holds(self, head: str) -> bool:
        """Whether a brace after these words opens a set within a statement, and not a block."""
        return self.in_block() or (not self.open and made(head) and TABLE.match(head) is None)

    def opened(self, head: Line) -> None:
        """A block that begins."""
        found = OBJECT.match(head.text) if self.open else TABLE.match(head.text)
        if self.skipped or found is None:
            self.headless += [] if self.skipped else [head]
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
        elif (outcome := carried_out(self.tables, line)) is not Outcome.DONE:
            self.strange.append(line)
            self.anywhere += [line] if outcome is Outcome.ANYWHERE else []

    def table(self, family: str, name: str, line: int) -> TableBlock:
        """A table, made when it is first met."""
        return table_in(self.tables, family, name, line)


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
            parts += [piece, "\n" if word == "\n" and found.inner in found.calls else " "]
            position = special.end()
            continue
        if word != "\n" and (
            found.inner or (word == "{" and not found.skipped and found.holds(("".join(parts) + piece).strip()))
        ):
            found.nested(word, "".join(parts) + piece)
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
    if not found.in_block() or found.open[-1].kind != "chain":  # type: ignore[union-attr]
        return False
    return " counter packets " in note or ("counter packets " in before and not DONE.search(before) and not HANDLE.match(note))
