"""The rules of chains, from the text of their lines: parsed one by one when they are looked at, and judged by the shapes of lines.

Nodes of a cluster have mostly equal chains. What follows from a chain's text alone is worked out once for all of them (``Texts``); a chain of
a node adds where its lines stand.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Container, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from analyzer.addresses import WIDTH, address
from analyzer.facts.netfilter import Chain, NfRule
from analyzer.parsers._iptables_rule import parse_rule
from analyzer.ranges import Ranges
from analyzer.source import Span

HEX = re.compile(r"[0-9a-fA-F]*:[0-9a-fA-F:]*")
EXACT = re.compile(r"(?<! !) -d ([0-9a-fA-F.:]+)(?:/(?:32|128))? ")
COMMENT = re.compile(r' --comment "[^"\\]*"')
Index = tuple[list[int], list[int], list[int]]


@dataclass(slots=True)
class ChainText:
    """The lines of a chain, whatever node they stand on, and what is known of them.

    ``problems`` are the positions of lines that hold something that is not modelled, and what it is.
    """

    text: str
    family: int
    count: int
    problems: tuple[tuple[int, str], ...] = ()
    split: list[str] | None = None
    index: Index | None = None

    def lines(self) -> list[str]:
        """The lines, split when they are first asked for."""
        if self.split is None:
            self.split = self.text.split("\n") if self.count else []
        return self.split

    def indexed(self) -> Index:
        """Exact destinations sorted with their rules, and the rules without one; made on first use."""
        if self.index is None:
            exact: list[tuple[int, int]] = []
            others: list[int] = []
            for position, line in enumerate(self.lines()):
                value = exact_destination(line, self.family)
                if value is None:
                    others.append(position)
                else:
                    exact.append((value, position))
            exact.sort()
            self.index = [value for value, _ in exact], [position for _, position in exact], others
        return self.index


@dataclass(slots=True)
class RuleLines:
    """The rules of a chain, parsed one by one when they are looked at (``facts.netfilter.NfRules``)."""

    path: str
    text: ChainText
    numbers: Sequence[int]
    parsed: dict[int, NfRule] | None = None

    def __len__(self) -> int:
        return self.text.count

    def __iter__(self) -> Iterator[NfRule]:
        return (self[index] for index in range(self.text.count))

    def __getitem__(self, index: int) -> NfRule:
        if self.parsed is None:
            self.parsed = {}
        found = self.parsed.get(index)
        if found is None:
            line = self.text.lines()[index]
            rule = parse_rule(line, self.text.family)
            number = self.numbers[index]
            at = Span(self.path, number, 1, number, len(line) + 1)
            found = self.parsed[index] = NfRule(rule.matches, rule.target, index + 1, at, rule.comment, line)
        return found

    def candidates(self, family: int, destinations: Ranges) -> Sequence[int]:
        """The indexes of the rules that a packet to one of the addresses could match."""
        del family
        if self.text.count <= 8:
            return range(self.text.count)
        values, positions, others = self.text.indexed()
        found: list[int] = []
        for low, high in destinations:
            found += positions[bisect_left(values, low) : bisect_right(values, high)]
        return sorted(found + others) if found else others

    def indexed(self) -> Index:
        """The rules by the single destination that they name, and the others."""
        return self.text.indexed()

    def line(self, index: int) -> str:
        """A rule's text."""
        return self.text.lines()[index]

    def whole(self) -> str:
        """The text of all rules, one a line."""
        return self.text.text


Placed = tuple[str | None, int, ChainText, int | list[int]]
"""Policy, the line of the declaration, the rules' text, and the number of its first line, or those of all."""


@runtime_checkable
class Parts(Protocol):
    """Chains that are put together of parts which other nodes have too."""

    def shared(self) -> tuple[Hashable, frozenset[str]]:
        """See ``Chains.shared``."""
        ...


class Chains(Mapping[str, Chain]):
    """The chains of a table by name, each made when it is first asked for: a question enters few of them."""

    __slots__ = ("made", "path", "placed")

    def __init__(self, path: str, placed: Mapping[str, Placed]) -> None:
        self.path, self.placed = path, placed
        self.made: dict[str, Chain] = {}

    def __getitem__(self, name: str) -> Chain:
        found = self.made.get(name)
        if found is None:
            policy, line, text, numbers = self.placed[name]
            each = range(numbers, numbers + text.count) if isinstance(numbers, int) else numbers
            rules, at = RuleLines(self.path, text, each), Span(self.path, line)
            found = self.made[name] = Chain(name, policy, rules, at, contents(policy, text))
        return found

    def content(self, name: str) -> str:
        """The text of a chain and its policy."""
        policy, _, text, _ = self.placed[name]
        return contents(policy, text)

    def shared(self) -> tuple[Hashable, frozenset[str]]:
        """What is equal for tables that are put together of the same parts, but for chains with lines in no such part; and these."""
        return self.placed.shared() if isinstance(self.placed, Parts) else (None, frozenset(self.placed))

    def whole(self, name: str) -> str:
        """The text of a chain's rules, one a line."""
        return self.placed[name][2].text

    def __contains__(self, name: object) -> bool:
        return name in self.placed

    def __iter__(self) -> Iterator[str]:
        return iter(self.placed)

    def __len__(self) -> int:
        return len(self.placed)

    def __repr__(self) -> str:
        return repr(dict(self))


def contents(policy: str | None, text: ChainText) -> str:
    """By what equal chains are recognised."""
    return text.text if policy is None else f"{text.text} {policy}"


def exact_destination(line: str, family: int) -> int | None:
    """The single address that a rule's ``-d`` names; None where it names more, none, or a negated one."""
    quote = line.find('"')
    found = EXACT.search(line) if quote < 0 else EXACT.search(line, 0, quote)
    if found is None or (family == 4 and line.startswith("/", found.end(1)) and not line.startswith("/32 ", found.end(1))):
        return None
    try:
        value = address(found.group(1))
    except ValueError:
        return None
    return value.value if value.family == family and WIDTH[family] else None


@dataclass(slots=True)
class Texts:
    """The texts of chains that were met in one reading, and why lines of each shape are not understood (empty: they are).
    ``sound`` are the shapes of whole chains without problems; ``placed`` the chains of each table, as they were met last.

    ``few``: each line is read in full, else one of each shape.
    """

    family: int
    few: bool
    known: dict[str, ChainText] = field(default_factory=dict)
    shapes: dict[str | bytes, str] = field(default_factory=dict)
    sound: set[bytes] = field(default_factory=set)
    placed: dict[str, dict[str, Placed]] = field(default_factory=dict)

    def chain(self, name: str, text: str, chains: Container[str]) -> ChainText:
        """The text of a chain. ``chains`` are those that its rules can jump to."""
        found = self.known.get(text)
        if found is None:
            count = text.count("\n") + 1 if text else 0
            found = self.known[text] = ChainText(text, self.family, count, self.judged(name, text, chains) if text else ())
        return found

    def judged(self, name: str, text: str, chains: Container[str]) -> tuple[tuple[int, str], ...]:
        """The problems of a chain; none where one of the same shape had none."""
        shape = chain_shape(name, text, self.family)
        if shape in self.sound:
            return ()
        found = tuple(self.problems(text, len(name) + 3, chains))
        if not found and not self.few:
            self.sound.add(shape)
        return found

    def problems(self, text: str, start: int, chains: Container[str]) -> Iterator[tuple[int, str]]:
        """The lines that hold something that is not modelled, and what; a line in brackets has a gap already."""
        for position, line in enumerate(text.split("\n")):
            if line[:1] == "(":
                continue
            shape = line if self.few else shape_of(line, start, chains, self.family)
            problem = self.shapes.get(shape)
            if problem is None:
                problem = self.shapes[shape] = parse_rule(line, self.family).problem
            if problem and (own := parse_rule(line, self.family).problem):
                yield position, own


def chain_shape(name: str, text: str, family: int) -> bytes:
    """What chains whose lines are understood alike have in common."""
    text = COMMENT.sub("", text.replace(f"-A {name} ", ""))
    if family == 6:
        text = HEX.sub("0", text)
    return text.encode("utf-8", "surrogatepass").translate(None, b"0123456789")


def shape_of(line: str, start: int, chains: Container[str], family: int) -> bytes:
    """What lines that are understood alike have in common: without the chain, the comment, numbers, addresses, and the chain that is jumped to."""
    head, jump, target = line[start:].rpartition(" -j ")
    if target in chains:
        target = "@"
    if (quote := head.find(' --comment "')) >= 0:
        close = head.find('"', quote + 12)
        if close > 0 and head[close - 1] != "\\":
            head = head[:quote] + head[close:]
    if family == 6:
        head = HEX.sub("0", head)
    return (head + jump + target).encode("utf-8", "surrogatepass").translate(None, b"0123456789")
