"""Commands of nft (nft(8)): what ``add``, ``insert``, ``flush`` and ``delete`` leave of tables, chains, sets and maps; also the blocks that hold them.

A rule is put where ``index`` says. Handles are not known in a text: a chain that is changed by one begins with a rule that is not understood. What may change
anything, as files that are included, is told as such.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

SPECIAL = re.compile(r'"[^"\n]*"|\\\n|#[^\n]*|[{};\n]')
FAMILY = r"(?:(ip6?|inet|arp|bridge|netdev)\s+)?"
MAKE = re.compile(
    rf"(?:nft\s+)?(?:(add|create|insert)\s+)?(table|chain|set|map|flowtable|rule|element|counter)\s+{FAMILY}(.*)$", re.DOTALL
)
UNDO = re.compile(
    rf"(?:nft\s+)?(flush|delete|destroy)\s+(table|chain|set|map|flowtable|element|counter)\s+{FAMILY}(.*)$", re.DOTALL
)
EDIT = re.compile(rf"(?:nft\s+)?((?:replace|delete|destroy)\s+rule)\s+{FAMILY}(\S+)\s+(\S+)\s(.*)$", re.DOTALL)
OTHER = re.compile(r"include\s|(?:nft\s+)?(?:add|create|insert|replace|delete|destroy|flush|rename|import)\s")
ALL = re.compile(r"(?:nft\s+)?flush\s+ruleset$")
INDEX = re.compile(r"index\s+(\d+)\s+")
HANDLE = re.compile(r"(?:position|handle)\s+\d+\s")
DECLARED = re.compile(r'(?:type \w+ hook |policy |comment "[^"]*"$|flags |devices? = )')


class Outcome(Enum):
    """What became of a line: carried out, or not known, in one chain or set, or anywhere; or it is no command."""

    DONE = "done"
    MARKED = "marked"
    ANYWHERE = "anywhere"
    STRANGE = "strange"


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


def made(head: str) -> bool:
    """Whether words begin a command that may hold braces."""
    return MAKE.match(head) is not None or UNDO.match(head) is not None


def table_in(tables: MutableMapping[tuple[str, str], TableBlock], family: str, name: str, line: int) -> TableBlock:
    """A table, made when it is first met."""
    return tables.setdefault((family, name), TableBlock(family, name, line))


def carried_out(tables: MutableMapping[tuple[str, str], TableBlock], line: Line) -> Outcome:
    """Carries out one command."""
    text = unquoted(line.text) if line.text.startswith("nft ") else line.text
    if ALL.match(text):
        tables.clear()
        return Outcome.DONE
    if (command := EDIT.match(text)) is not None:
        return edited(tables, command, line)
    if (command := UNDO.match(text)) is not None:
        return undone(tables, command, line)
    if (command := MAKE.match(text)) is not None:
        return Outcome.DONE if commanded(tables, command, line) else Outcome.MARKED
    return Outcome.ANYWHERE if OTHER.match(text) else Outcome.STRANGE


def edited(tables: MutableMapping[tuple[str, str], TableBlock], command: re.Match[str], line: Line) -> Outcome:
    """A rule that is replaced or deleted: which one it was is not known."""
    verb, family, name, chain, rest = command.groups()
    table = tables.get((family or "ip", name))
    block = table.blocks.get(("chain", chain)) if table is not None else None
    if block is None:
        return Outcome.ANYWHERE
    before_all(block, Line(f"{verb} {rest.strip()}", line.number))
    return Outcome.MARKED


def before_all(chain: Block, rule: Line) -> None:
    """Puts a rule before all others of its chain."""
    rules = (position for position, line in enumerate(chain.lines) if not DECLARED.match(line.text))
    chain.lines.insert(next(rules, len(chain.lines)), rule)


def unquoted(text: str) -> str:
    """A command without what keeps it from the shell."""
    return text.replace("\\", "").replace("'", "")


def undone(tables: MutableMapping[tuple[str, str], TableBlock], command: re.Match[str], line: Line) -> Outcome:
    """``flush`` and ``delete``; of what is not there nothing is left to do."""
    verb, kind, family, rest = command.group(1), command.group(2), command.group(3) or "ip", command.group(4).split()
    table = tables.get((family, rest[0])) if rest else None
    if table is None:
        return Outcome.DONE if rest else Outcome.ANYWHERE
    if kind == "element" or (kind != "table" and len(rest) != 2):
        found = [block for (_, name), block in table.blocks.items() if name in rest[1:2]]
        for block in found:
            block.lines.append(Line(f"unread {verb} {command.group(4)}", line.number))
        return Outcome.MARKED if found else Outcome.ANYWHERE
    if kind == "table" and verb != "flush":
        del tables[family, rest[0]]
    elif kind != "table" and verb != "flush":
        table.blocks.pop((kind, rest[1]), None)
    else:
        for (sort, name), block in table.blocks.items():
            if (sort, name) == (kind, rest[-1]) or (kind == "table" and sort == "chain"):
                block.lines[:] = [one for one in block.lines if not emptied(sort, one)]
    return Outcome.DONE


def emptied(kind: str, line: Line) -> bool:
    """Whether a line is a rule of a chain, or the elements of a set."""
    return not DECLARED.match(line.text) if kind == "chain" else line.text.startswith("elements")


def commanded(tables: MutableMapping[tuple[str, str], TableBlock], command: re.Match[str], line: Line) -> bool:
    """One command that makes something."""
    verb, kind, family, rest = command.group(1), command.group(2), command.group(3) or "ip", command.group(4).strip()
    name, _, rest = rest.partition(" ")
    table = table_in(tables, family, name, line.number)
    if kind == "table" or not rest.strip():
        return True
    inner, _, body = rest.strip().partition(" ")
    if kind == "rule":
        return placed(table.block("chain", inner, line.number), verb == "insert", Line(body.strip(), line.number))
    if kind == "element":
        known = next((key for key in (("map", inner), ("set", inner)) if key in table.blocks), None)
        block = table.block(*(known or ("map" if re.search(r"\s:\s", body) else "set", inner)), line.number)
        block.lines.append(Line(f"elements = {body.strip()}", line.number))
    else:
        block = table.block(kind, inner, line.number)
        block.lines += [Line(part, line.number) for part in parts_of(body)]
    return True


def placed(chain: Block, first: bool, rule: Line) -> bool:
    """Puts a rule at the end of its chain or, ``first``, at its start; behind or before the rule that ``index`` counts from 0."""
    if HANDLE.match(rule.text):
        before_all(chain, rule)
        return False
    rules = [position for position, line in enumerate(chain.lines) if not DECLARED.match(line.text)]
    if (index := INDEX.match(rule.text)) is not None:
        rule = Line(rule.text[index.end() :], rule.number)
        if int(index.group(1)) >= len(rules):
            before_all(chain, Line(f"{index.group()}{rule.text}", rule.number))
            return False
        chain.lines.insert(rules[int(index.group(1))] + (0 if first else 1), rule)
    elif first and rules:
        chain.lines.insert(rules[0], rule)
    else:
        chain.lines.append(rule)
    return True


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
