"""``iptables-save`` and ``ip6tables-save`` of both back ends, with or without counters.

A node may have hundreds of thousands of lines, so lines are only sorted by chain at first; a rule is parsed when it is looked at. Which lines are not
understood is known all the same: lines of one *shape* (numbers, addresses and hashed names replaced) are understood alike.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from sys import intern

from analyzer.addresses import WIDTH, address
from analyzer.facts.base import Fact
from analyzer.facts.netfilter import Chain, NfRule, RulesetFact
from analyzer.parsers import Parser, gap
from analyzer.parsers._iptables_rule import COUNTERS, parse_rule
from analyzer.ranges import Ranges
from analyzer.source import Gap, Source, Span

SHAPE = re.compile(r'"(?:[^"\\]|\\.)*"|-[A-Z0-9]{16}\b|\b[0-9a-fA-F:.]*\d[0-9a-fA-F:.]*\b|(?<=^-A )\S+')
EXACT = re.compile(r"(?<! !) -d ([0-9a-fA-F.:]+)(?:/(?:32|128))? ")
TABLES = frozenset({"raw", "mangle", "nat", "filter", "security"})
HOOKS = frozenset({"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"})


@dataclass(slots=True)
class RuleLines:
    """The rules of a chain, parsed one by one when they are looked at (``facts.netfilter.NfRules``)."""

    path: str
    family: int
    lines: Sequence[str]
    numbers: Sequence[int]
    parsed: dict[int, NfRule] = field(default_factory=dict)
    index: tuple[list[int], list[int], list[int]] | None = None

    def __len__(self) -> int:
        return len(self.lines)

    def __iter__(self) -> Iterator[NfRule]:
        return (self[index] for index in range(len(self.lines)))

    def __getitem__(self, index: int) -> NfRule:
        found = self.parsed.get(index)
        if found is None:
            line = self.lines[index]
            rule = parse_rule(line, self.family)
            number = self.numbers[index]
            at = Span(self.path, number, 1, number, len(line) + 1)
            found = self.parsed[index] = NfRule(rule.matches, rule.target, index + 1, at, rule.comment, line)
        return found

    def candidates(self, family: int, destinations: Ranges) -> Sequence[int]:
        """The indexes of the rules that a packet to one of the addresses could match."""
        del family
        if len(self.lines) <= 8:
            return range(len(self.lines))
        values, positions, others = self.indexed()
        found: list[int] = []
        for low, high in destinations:
            found += positions[bisect_left(values, low) : bisect_right(values, high)]
        return sorted(found + others) if found else others

    def indexed(self) -> tuple[list[int], list[int], list[int]]:
        """Exact destinations sorted with their rules, and the rules without one; made on first use."""
        if self.index is None:
            exact: list[tuple[int, int]] = []
            others: list[int] = []
            for position, line in enumerate(self.lines):
                value = exact_destination(line, self.family)
                if value is None:
                    others.append(position)
                else:
                    exact.append((value, position))
            exact.sort()
            self.index = [value for value, _ in exact], [position for _, position in exact], others
        return self.index


def exact_destination(line: str, family: int) -> int | None:
    """The single address that a rule's ``-d`` names; None where it names more, none, or a negated one."""
    found = EXACT.search(line)
    if found is None or (family == 4 and line.startswith("/", found.end(1)) and not line.startswith("/32 ", found.end(1))):
        return None
    try:
        value = address(found.group(1))
    except ValueError:
        return None
    return value.value if value.family == family and WIDTH[family] else None


@dataclass(slots=True)
class TableDraft:
    """A table while its lines are read: policies and lines by chain."""

    name: str
    line: int
    policies: dict[str, tuple[str | None, int]] = field(default_factory=dict)
    lines: dict[str, tuple[list[str], list[int]]] = field(default_factory=dict)


def read(source: Source) -> Iterator[Fact | Gap]:
    """One ruleset with every table of the text, and a gap for each line that is not understood."""
    drafts: list[TableDraft] = []
    gaps: list[Gap] = []
    draft: TableDraft | None = None
    for number, raw in enumerate(source.text.split("\n"), 1):
        start = raw[:1]
        if start == "-" and draft is not None and raw[1:3] == "A ":
            append(draft, number, raw)
        elif start == "[" and draft is not None and (line := COUNTERS.sub("", raw)).startswith("-A "):
            append(draft, number, line)
        elif start == ":" and draft is not None:
            name, _, rest = raw[1:].partition(" ")
            policy = rest.split(" ", 1)[0].strip()
            draft.policies[name] = (policy if policy in ("ACCEPT", "DROP") else None, number)
            draft.lines.setdefault(name, ([], []))
        elif start == "*":
            gaps += unfinished(source, draft, number)
            draft = TableDraft(raw[1:].strip(), number)
            drafts.append(draft)
        elif raw.startswith("COMMIT"):
            draft = None
        elif raw.strip():
            gaps += remark(source, number, raw.strip())
    gaps += unfinished(source, draft, source.text.count("\n") + 1)
    yield ruleset(source, drafts)
    yield from gaps
    yield from not_understood(source, drafts, family_of(source))


def append(draft: TableDraft, number: int, line: str) -> None:
    """Sorts a rule's line into its chain."""
    end = line.find(" ", 3)
    name = line[3:] if end < 0 else line[3:end]
    found = draft.lines.get(name)
    if found is None:
        found = draft.lines[name] = ([], [])
    found[0].append(line.rstrip())
    found[1].append(number)


def remark(source: Source, number: int, line: str) -> Iterator[Gap]:
    """A line outside of rules: comments that mean something are gaps, and so is what is no part of the format."""
    if not line.startswith("#"):
        yield gap(source, number, f"expected a line of iptables-save, not {line[:60]!r}")
    elif "iptables-legacy tables present" in line:
        yield Gap(
            Span(source.path, number),
            "rules of the legacy back end exist too and are not in this text",
            "netfilter-legacy",
            source.scope,
        )
    elif "is incompatible, use 'nft' tool" in line:
        yield gap(source, number, f"a table could not be printed by iptables: {line.lstrip('# ')}")


def unfinished(source: Source, draft: TableDraft | None, number: int) -> Iterator[Gap]:
    """The gap of a table without COMMIT: what stood behind is not known."""
    if draft is not None:
        yield gap(source, number, f"the table {draft.name} breaks off here: COMMIT is missing")


def family_of(source: Source) -> int:
    """6 for ip6tables, by the file's name, its header, or an IPv6 address in a rule."""
    name = source.path.rsplit("/", 1)[-1]
    head = source.text[:2048]
    if "ip6" in name or "v6" in name or "ip6tables-save" in head:
        return 6
    if "iptables" in name or "iptables-save" in head:
        return 4
    return 6 if re.search(r"-[sd] [0-9a-fA-F]*:[0-9a-fA-F:]*", source.text[:65536]) else 4


def backend_of(source: Source) -> str:
    """``legacy`` or ``nft``, by the file's name, else by the header."""
    name = source.path.rsplit("/", 1)[-1]
    if source.subject in ("legacy", "nft"):
        return source.subject
    if "legacy" in name:
        return "legacy"
    return "legacy" if "(legacy)" in source.text[:512] else "nft"


def ruleset(source: Source, drafts: list[TableDraft]) -> RulesetFact:
    """The fact of the whole text."""
    family = family_of(source)
    tables: dict[str, dict[str, Chain]] = {}
    for draft in drafts:
        tables.setdefault(intern(draft.name), {}).update(chains_of(source, draft, family))
    return RulesetFact(at=Span(source.path, 1), scope=source.scope, family=family, backend=backend_of(source), tables=tables)


def chains_of(source: Source, draft: TableDraft, family: int) -> dict[str, Chain]:
    """The chains of a table; the kernel's own chains that are not listed exist, empty, with policy ACCEPT."""
    result = {}
    for name, (lines, numbers) in draft.lines.items():
        policy, line = draft.policies.get(name, ("ACCEPT" if name in HOOKS else None, numbers[0] if numbers else draft.line))
        digest = (
            blake2b("\n".join((str(family), *lines)).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
            if lines
            else f"empty {family}"
        )
        result[name] = Chain(
            name, policy, RuleLines(source.path, family, lines, numbers), Span(source.path, line), f"{digest} {policy}"
        )
    return result


def not_understood(source: Source, drafts: list[TableDraft], family: int) -> Iterator[Gap]:
    """A gap for every line that holds something that is not modelled, by shapes."""
    known: dict[str, str] = {}
    for draft in drafts:
        if draft.name not in TABLES:
            yield gap(source, draft.line, f"{draft.name!r} is no table of iptables")
        for lines, numbers in draft.lines.values():
            for line, number in zip(lines, numbers, strict=True):
                shape = SHAPE.sub("0", line)
                problem = known.get(shape)
                if problem is None:
                    problem = known[shape] = parse_rule(line, family).problem
                if problem:
                    yield gap(source, number, parse_rule(line, family).problem or problem)


PARSER = Parser(
    kind="iptables-save",
    read=read,
    names=(
        r"ip6?tables(-(?P<subject>nft|legacy))?[-_](-)?save(_-\S+)*",
        r"ip6?tables(-(?P<subject>nft|legacy))?-?save(-+c)?",
        r"(ip6?tablessave|ipv[46]_tables|iptables|ip6tables|iptables-rules|iptables-nft-save--c)",
    ),
    content=re.compile(r"^\*(raw|mangle|nat|filter|security)\s*$|^# Generated by ip6?tables-save", re.MULTILINE),
)
