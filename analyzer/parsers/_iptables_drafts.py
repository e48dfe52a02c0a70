"""The lines of ``iptables-save`` by table and chain, before their rules are looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from operator import itemgetter
from sys import intern

from analyzer.pieces import Piece

RULES = re.compile(r"-A ([^ \n]+) .*\n(?:-A \1 .*\n)*")
COUNTED = re.compile(r"\[\d+:\d+\] -A ([^ \n]+) .*\n(?:\[\d+:\d+\] -A \1 .*\n)*")
DECLARED = re.compile(r"(?::.*\n)+")
COUNTER = re.compile(r"^\[\d+:\d+\] ", re.MULTILINE)
HOOKS = frozenset({"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"})
Declared = tuple[str | None, int]
"""The policy of a chain, and the line that declares it."""
Block = tuple[str, int]
"""Lines of one chain that follow each other, and the number of the first."""


@dataclass(slots=True, eq=False)
class Part:
    """A piece inside a table that has whole lines of chains only: what it declares and the rules of each chain, with lines counted from 0.
    ``names`` are its chains as they are met, ``ruled`` those with rules; ``ends``: how many lines it has, and ``rules`` how many of rules."""

    declared: dict[str, Declared]
    blocks: dict[str, tuple[str, int]]
    names: tuple[str, ...]
    ends: int
    rules: int
    ruled: frozenset[str]


@dataclass(slots=True)
class TableDraft:
    """A table while its lines are read: policies and blocks of lines by chain, and the numbers of lines with problems.

    ``open`` are the chains that something was added to since the last line that is none of the format's. ``parts`` are lines that other texts have
    too, each with the number of its first: they are not in ``blocks`` and ``policies`` until that matters (``settle``). ``again``: the first
    declarations of chains that were declared again.
    """

    name: str
    line: int
    policies: dict[str, tuple[str | None, int]] = field(default_factory=dict)
    blocks: dict[str, list[Block]] = field(default_factory=dict)
    open: dict[str, None] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)
    parts: list[tuple[Part, int]] = field(default_factory=list)
    again: dict[str, int] = field(default_factory=dict)

    def append(self, chain: str, number: int, text: str) -> None:
        """Adds lines to a chain."""
        found = self.blocks.get(chain)
        if found is None:
            self.blocks[chain] = [(text, number)]
        else:
            found.append((text, number))
        self.open[chain] = None

    def before(self, chain: str, number: int, text: str) -> None:
        """Adds lines in front of all others of a chain."""
        self.blocks.setdefault(chain, []).insert(0, (text, number))
        self.open[chain] = None

    def declare(self, chain: str, policy: str | None, number: int) -> None:
        """Notes a chain and its policy."""
        if chain in self.policies:
            self.begun(chain, self.policies[chain][1])
        self.policies[chain] = (policy if policy in ("ACCEPT", "DROP") else None, number)
        if chain not in self.blocks:
            self.blocks[chain] = []
            self.open[chain] = None

    def begun(self, chain: str, number: int) -> None:
        """Notes the first line of a chain that is declared twice."""
        self.again[chain] = min(self.again.get(chain, number), number)

    def undeclared(self) -> list[tuple[int, str]]:
        """The first lines of chains that have rules and no declaration, while others have one: the command declares every chain, and the kernel has its own."""
        known = set(self.policies).union(HOOKS, *(part.declared for part, _ in self.parts))
        if len(known) == len(HOOKS) and not self.policies:
            return []
        found = [(line, name) for name, blocks in self.blocks.items() for _, line in blocks if name not in known]
        found += [(number + part.blocks[name][1], name) for part, number in self.parts for name in part.ruled - known]
        first: dict[str, int] = {}
        for line, name in sorted(found):
            first.setdefault(name, line)
        return [(line, name) for name, line in first.items()]

    def open_undeclared(self) -> None:
        """Begins the kernel's own chains with a rule that is not known, where rules stand in a chain that is not declared: they may be of any."""
        for line, lost in self.undeclared()[:1]:
            self.settle()
            for name in sorted(HOOKS):
                self.before(name, line, f"(the chain {lost} is not declared)")

    def settle(self) -> None:
        """Sorts the lines of the parts in among the others."""
        if not self.parts:
            return
        parts, blocks, policies = self.parts, self.blocks, self.policies
        order = sorted([*((number, part.names) for part, number in parts), *self.lines()], key=itemgetter(0))
        self.parts, self.blocks, self.policies = [], {name: [] for _, names in order for name in names}, {}
        for part, number in parts:
            for name, (policy, line) in part.declared.items():
                self.declare(name, policy, number + line)
            for name, (text, line) in part.blocks.items():
                self.append(name, number + line, text)
            self.open.update(dict.fromkeys(name for name in part.names if name not in blocks))
        for name, found in blocks.items():
            self.blocks[name] = merged(self.blocks[name], found)
        for name, declared in policies.items():
            if name in self.policies:
                self.begun(name, min(declared[1], self.policies[name][1]))
            self.policies[name] = max(self.policies.get(name, declared), declared, key=itemgetter(1))

    def lines(self) -> Iterator[tuple[int, tuple[str]]]:
        """The first line of each chain, without those of the parts."""
        for name, found in self.blocks.items():
            lines = [line for _, line in found[:1]]
            lines += [self.again.get(name, self.policies[name][1])] if name in self.policies else []
            yield min(lines, default=self.line), (name,)


def merged(some: list[Block], others: list[Block]) -> list[Block]:
    """Lines of a chain from both by their numbers; what was put before others stays before them."""
    keyed: list[tuple[int, Block]] = []
    for blocks in (some, others):
        least = accumulate((line for _, line in reversed(blocks)), min)
        keyed += zip(reversed(tuple(least)), blocks, strict=True)
    return [block for _, block in sorted(keyed, key=itemgetter(0))]


def part_of(piece: Piece) -> Part | None:
    """The chains of a piece."""
    draft, text, position, number = TableDraft("", 0), piece.text, 0, 0
    while position < len(text) and "\r" not in text:
        behind = block(draft, text, position, number)
        if behind is None:
            return None
        position, number = behind
    if not position or any(len(found) > 1 for found in draft.blocks.values()):
        return None
    blocks = {intern(name): found[0] for name, found in draft.blocks.items() if found}
    names, declared = tuple(map(intern, draft.blocks)), {intern(name): found for name, found in draft.policies.items()}
    return Part(declared, blocks, names, piece.ends, sum(text.count("\n") + 1 for text, _ in blocks.values()), frozenset(blocks))


def block(draft: TableDraft, text: str, position: int, number: int) -> tuple[int, int] | None:
    """Takes the declarations, or the rules of one chain, that begin at a position; returns what is behind them. None where there are none."""
    if found := DECLARED.match(text, position):
        return found.end(), declared(draft, number, found[0].removesuffix("\n").split("\n"))
    if text.startswith("-A ", position):
        return rules(draft, text, position, number)
    if found := COUNTED.match(text, position):
        draft.append(found[1], number, COUNTER.sub("", found[0].removesuffix("\n")))
        return found.end(), number + found[0].count("\n")
    return None


def rules(draft: TableDraft, text: str, position: int, number: int) -> tuple[int, int] | None:
    """Takes the rules of the chains that follow each other from a position on; None where there is not a whole line."""
    begin, blocks, opened = position, draft.blocks, draft.open
    for found in RULES.finditer(text, position):
        if found.start() != position:
            break
        lines, name = found.group(0, 1)
        block = (lines[:-1], number)
        if name in blocks:
            blocks[name].append(block)
        else:
            blocks[name] = [block]
        opened[name] = None
        position += len(lines)
        number += lines.count("\n")
    return (position, number) if position > begin else None


def declared(draft: TableDraft, number: int, lines: list[str]) -> int:
    """Notes the chains of lines such as ``:INPUT ACCEPT [0:0]``; returns the number of the line behind them."""
    for line in lines:
        name, _, rest = line[1:].partition(" ")
        draft.declare(name, rest.split(" ", 1)[0].strip(), number)
        number += 1
    return number


def strange(draft: TableDraft, number: int, line: str) -> None:
    """A line of a table that is none of the format's may be a rule of any chain: each ends in it, as something that is not known."""
    draft.settle()
    for name in (*draft.open, *(hook for hook in sorted(HOOKS) if hook not in draft.blocks)):
        draft.append(name, number, f"(not understood: {line[:60]})")
    draft.open.clear()


def break_off(draft: TableDraft, number: int, why: str) -> None:
    """Ends each chain whose end was not seen with a rule that is not known: the last one that has rules, and those declared after it."""
    draft.settle()
    names = list(draft.blocks)
    begun = [position for position, name in enumerate(names) if draft.blocks[name]]
    if not begun:
        names += [name for name in sorted(HOOKS) if name not in draft.blocks]
    for name in names[begun[-1] if begun else 0 :]:
        draft.append(name, number, f"({why})")
