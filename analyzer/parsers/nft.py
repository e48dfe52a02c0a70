"""``nft list ruleset``, text and JSON (nft(8), libnftables-json(5)): tables, chains, rules, sets and maps.

Both forms give the same facts. Rules are read from their text when they are first looked at; what is not understood in one is a test or a
target of that rule that is not known. A fact for each base chain that iptables did not make says whether it can do more than accept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import overload

from analyzer.facts.base import Fact
from analyzer.facts.netfilter import Jump, NftChainFact, Pass, Verdict
from analyzer.facts.nftables import Base, NftChain, NftRule, NftSet, NftTableFact, Statement, VerdictMap
from analyzer.parsers import Parser, gap, reason
from analyzer.parsers._nft_anonymous import unfolded
from analyzer.parsers._nft_bases import base_of, known_base, names, one_of, priority
from analyzer.parsers._nft_blocks import blocks_of
from analyzer.parsers._nft_commands import Block, Line, TableBlock
from analyzer.parsers._nft_definitions import expanded
from analyzer.parsers._nft_keys import UNREADABLE
from analyzer.parsers._nft_rules import typed
from analyzer.parsers._nft_sets import from_json as set_from_json
from analyzer.parsers._nft_sets import set_of
from analyzer.parsers._nft_statements import statements
from analyzer.parsers._nft_unshown import completed
from analyzer.parsers._words import refuse_errors
from analyzer.source import Gap, Source, Span

IPTABLES = frozenset({"filter", "nat", "mangle", "raw", "security"})
HOOKS = frozenset({"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"})
EVERY, FIRST, UNREAD = ("prerouting", "input", "forward", "output", "postrouting"), -1000, "(line "
BEGUN = re.compile(r"^table [^\n{}]*\Z", re.MULTILINE)
OBJECTS = frozenset(
    {"counter", "quota", "limit", "ct helper", "ct timeout", "ct expectation", "secmark", "synproxy", "tunnel", "meter"}
)
OF_BASE = frozenset({"type", "hook", "prio", "policy"})
PLAIN_REJECTS = tuple({"reject": {"type": kind, "expr": "port-unreachable"}} for kind in ("icmp", "icmpv6"))
"""What the text form writes as ``reject`` alone in tables of one family."""
NAME = re.compile(r"[^\s{}]*")
CHANGED = re.compile(r'"set":\s*"@([^"]+)"')
Draft = tuple[Line, Sequence[object] | None]
"""A rule that was not looked at yet: its line, and its statements where the text was JSON."""


@dataclass(slots=True, eq=False)
class Rules(Sequence[NftRule]):
    """The rules of a chain, each read when it is first looked at."""

    path: str
    drafts: list[Draft]
    made: dict[int, NftRule] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.drafts)

    @overload
    def __getitem__(self, index: int) -> NftRule: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[NftRule]: ...
    def __getitem__(self, index: int | slice) -> NftRule | Sequence[NftRule]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        if index not in self.made:
            line, nodes = self.drafts[index]
            read = typed(statements(line.text) if nodes is None else nodes)
            self.made[index] = NftRule(read, index + 1, Span(self.path, line.number), line.text)
        return self.made[index]

    def text(self) -> str | None:
        """The rules, one a line; None where they were written as JSON."""
        return "\n".join(line.text for line, _ in self.drafts) if all(nodes is None for _, nodes in self.drafts) else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rules) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


def read(source: Source) -> Iterator[Fact | Gap]:
    """A fact for each table, and one for each base chain that is not iptables' own."""
    gaps: list[Gap] = []
    json_form = source.text.lstrip()[:1] == "{"
    tables = from_json(source, json.loads(source.text), gaps) if json_form else from_text(source, gaps)
    yield from gaps
    yield from tables
    for table in sorted(tables, key=lambda item: (item.family, item.name)):
        for name in sorted(table.chains) if not table.name.startswith(UNREAD) else ():
            if table.chains[name].base and not (table.family in ("ip", "ip6") and table.name in IPTABLES and name in HOOKS):
                yield base_fact(source, table, name)


def base_fact(source: Source, table: NftTableFact, name: str) -> NftChainFact:
    """The fact of a base chain."""
    chain = table.chains[name]
    assert chain.base
    return NftChainFact(
        at=chain.at, scope=source.scope, family=table.family, table=table.name, name=name, hook=chain.base.hook, kind=chain.base.kind,
        priority=chain.base.priority, policy=chain.base.policy, inert=table.dormant or inert(table, name), rules=len(chain.rules),
    )  # fmt: skip


def inert(table: NftTableFact, start: str) -> bool:
    """Whether a base chain, with all it goes to, can only let packets pass."""
    base = table.chains[start].base
    seen, waiting = {start}, [start]
    while waiting:
        chain = table.chains.get(waiting.pop())
        if chain is None:
            return False
        for rule in chain.rules:
            for item in rule.statements:
                targets = harmless(table, item)
                if targets is None:
                    return False
                waiting += sorted(targets - seen)
                seen |= targets
    return base is None or base.policy == "accept"


def harmless(table: NftTableFact, item: Statement) -> set[str] | None:
    """The chains that a statement goes to; None where it can do more than go there, test and accept."""
    match item:
        case Verdict("DROP"):
            return None
        case Verdict() | Pass():
            return set()
        case Jump(chain):
            return {chain}
        case VerdictMap(_, values):
            known = table.sets.get(values) if isinstance(values, str) else values
            acts = [element.data for element in known.elements] if known and not known.unread else [Verdict("DROP")]
            found = [harmless(table, act) if isinstance(act, Verdict | Jump) else None for act in acts]
            return None if None in found else {name for names in found for name in names or ()}
        case _:
            return set() if type(item).__name__ in ("Among", "Negations", "RateMatch", "OpenMatch", "UnknownMatch") else None


def from_text(source: Source, gaps: list[Gap]) -> list[NftTableFact]:
    """The text form."""
    text, missing = expanded(source.text)
    gaps += [gap(source, line, f"the variable ${name} is not defined before this line") for name, line in missing]
    blocks = blocks_of(text)
    end = text.count("\n") + 1
    for line in blocks.strange:
        gaps += stranger(source, line, cut=line.number == end)
    for line in blocks.headless:
        gaps += stranger(source, line, cut=True)
    if blocks.open or blocks.inner or blocks.skipped or BEGUN.search(text):
        gaps.append(gap(source, end, "the ruleset breaks off here: a brace is missing", cut=True))
        if blocks.in_block():
            last = blocks.open[-1]
            last.lines.append(Line("the text breaks off here", last.line))
    found = [table_of(source, table, gaps) for table in blocks.tables.values()]
    return [*found, *(anything(source, line) for line in blocks.anywhere)]


def anything(source: Source, line: Line) -> NftTableFact:
    """A line that may change rules anywhere: as a rule that is not understood at every hook."""
    at = Span(source.path, line.number)
    chains = {hook: NftChain(hook, Rules(source.path, [(line, None)]), Base("filter", hook, FIRST), at) for hook in EVERY}
    return NftTableFact(
        at=at, scope=source.scope, family="inet", name=f"{UNREAD}{line.number})", chains=chains, sets={}, flowtables={}
    )


def stranger(source: Source, line: Line, cut: bool) -> Iterator[Gap]:
    """A line outside of tables, or a block that is not known; ``cut``: a table or a chain may be missing."""
    if line.text.startswith("include "):
        yield gap(
            source,
            line.number,
            f"{line.text}: the files that are included are not read; give what `nft list ruleset` says instead",
        )
        return
    try:
        refuse_errors(line.text)
        yield gap(
            source,
            line.number,
            f"expected 'table ip NAME {{' or a command whose effect the text tells, not {line.text[:60]!r}",
            cut=cut,
        )
    except ValueError as problem:
        yield gap(source, line.number, reason(problem))


def table_of(source: Source, table: TableBlock, gaps: list[Gap]) -> NftTableFact:
    """A table from its block."""
    changed = changed_sets(source.text)
    text = source.text.split("\n") if table.family in ("ip", "ip6") and table.name in IPTABLES else ()
    chains: dict[str, NftChain] = {}
    sets: dict[str, NftSet] = {}
    flowtables: dict[str, tuple[str, ...]] = {}
    objects: list[tuple[str, str]] = []
    for (kind, name), block in table.blocks.items():
        match kind:
            case "chain":
                held: dict[str, list[Line]] = {}
                lines = unfolded(list(completed(block.lines, text)) if text else block.lines, held)
                chains[name] = chain_of(source, table.family, replace(block, lines=lines), gaps)
                chains |= {own: nameless(source, own, inner) for own, inner in held.items()}
            case "set" | "map":
                found = set_of(block)
                fleeting = found.fleeting or name in changed
                sets[name] = replace(found, fleeting=fleeting, at=Span(source.path, block.line))
            case "flowtable":
                flowtables[name] = devices_of(block)
            case _:
                objects.append((kind, name))
    return NftTableFact(
        at=Span(source.path, table.line), scope=source.scope, family=table.family, name=table.name, chains=chains, sets=sets,
        flowtables=flowtables, objects=tuple(sorted(objects)), dormant=any("dormant" in line.text for line in table.lines if line.text.startswith("flags")),
    )  # fmt: skip


def changed_sets(text: str) -> frozenset[str]:
    """The names of sets that a statement changes, wherever it stands."""
    found: set[str] = set()
    for word in ("add @", "update @", "delete @"):
        at = text.find(word)
        while at >= 0:
            found.add(NAME.match(text, at + len(word)).group())  # type: ignore[union-attr]
            at = text.find(word, at + 1)
    return frozenset(found)


def chain_of(source: Source, family: str, block: Block, gaps: list[Gap]) -> NftChain:
    """A chain from its statements."""
    base: Base | None = None
    drafts: list[Draft] = []
    for line in block.lines:
        try:
            base, read = base_of(line.text, family, base)
        except ValueError as problem:
            gaps.append(gap(source, line.number, reason(problem), cut=True))
            continue
        if read:
            continue
        if not re.match(r'(comment "[^"]*"|flags \S+|devices? = .*)$', line.text):
            drafts.append((line, None))
    return NftChain(block.name, Rules(source.path, drafts), base, Span(source.path, block.line))


def nameless(source: Source, name: str, lines: list[Line]) -> NftChain:
    """A chain that a rule holds."""
    at = Span(source.path, lines[0].number if lines else 1)
    return NftChain(name, Rules(source.path, [(line, None) for line in lines]), None, at)


def devices_of(block: Block) -> tuple[str, ...]:
    """The devices of a flow table."""
    return next((names(line.text) for line in block.lines if line.text.startswith("devices")), ())


@dataclass(slots=True)
class TableDraft:
    """A table of the JSON form while its parts come by."""

    chains: dict[str, tuple[Base | None, list[Draft]]] = field(default_factory=dict)
    sets: dict[str, NftSet] = field(default_factory=dict)
    flowtables: dict[str, tuple[str, ...]] = field(default_factory=dict)
    objects: list[tuple[str, str]] = field(default_factory=list)
    dormant: bool = False


def from_json(source: Source, document: Mapping[str, object], gaps: list[Gap]) -> list[NftTableFact]:
    """The JSON form."""
    tables: dict[tuple[str, str], TableDraft] = {}
    changed = frozenset(CHANGED.findall(source.text))
    items = document["nftables"]
    for item in items if isinstance(items, list) else ():
        command = item.get("add") or item.get("create") or item
        for kind, inner in command.items():
            try:
                taken(tables, kind, inner, changed)
            except UNREADABLE as problem:
                gaps.append(
                    gap(source, 1, f"the {kind} {inner.get('name', '')!r} is not understood: {reason(problem)}", cut=True)
                )
    return [
        NftTableFact(
            at=Span(source.path, 1), scope=source.scope, family=family, name=name,
            chains={key: NftChain(key, Rules(source.path, drafts), base, Span(source.path, 1)) for key, (base, drafts) in draft.chains.items()},
            sets=draft.sets, flowtables=draft.flowtables, objects=tuple(sorted(draft.objects)), dormant=draft.dormant,
        )
        for (family, name), draft in tables.items()
    ]  # fmt: skip


def taken(tables: dict[tuple[str, str], TableDraft], kind: str, inner: Mapping[str, object], changed: frozenset[str]) -> None:
    """One object of the JSON form."""
    if kind == "table":
        table = tables.setdefault((str(inner["family"]), str(inner["name"])), TableDraft())
        table.dormant = "dormant" in str(inner.get("flags", ""))
    elif "table" in inner:
        table = tables.setdefault((str(inner["family"]), str(inner["table"])), TableDraft())
        if (keep := KEEPERS.get(kind)) is not None:
            keep(table, inner, changed)
        elif kind != "element":
            table.objects.append((one_of(kind, OBJECTS), str(inner["name"])))


def keep_chain(table: TableDraft, inner: Mapping[str, object], changed: frozenset[str]) -> None:
    """A chain."""
    del changed
    base = None
    if not inner.keys().isdisjoint(OF_BASE):
        device = inner.get("dev", inner.get("devices", ()))
        devices = (device,) if isinstance(device, str) else tuple(sorted(map(str, device if isinstance(device, list) else ())))
        rank = inner["prio"]
        number = rank if isinstance(rank, int) else priority(str(rank), str(inner["family"]))
        base = known_base(str(inner["type"]), str(inner["hook"]), number, devices, str(inner.get("policy", "accept")))
    known = table.chains.get(str(inner["name"]), (None, []))
    table.chains[str(inner["name"])] = (base, known[1])


def keep_rule(table: TableDraft, inner: Mapping[str, object], changed: frozenset[str]) -> None:
    """A rule, to be read later."""
    del changed
    given = inner["expr"]
    nodes = given if isinstance(given, list) else []
    if inner["family"] in ("ip", "ip6"):
        nodes = [{"reject": None} if node in PLAIN_REJECTS else node for node in nodes]
    drafts = table.chains.setdefault(str(inner["chain"]), (None, []))[1]
    drafts.append((Line(json.dumps(given), 1), nodes))


def keep_set(table: TableDraft, inner: Mapping[str, object], changed: frozenset[str]) -> None:
    """A set or map."""
    made = set_from_json(inner, str(inner["name"]) in changed)
    table.sets[made.name] = made


def keep_flowtable(table: TableDraft, inner: Mapping[str, object], changed: frozenset[str]) -> None:
    """A flow table."""
    del changed
    device = inner.get("dev", ())
    table.flowtables[str(inner["name"])] = (device,) if isinstance(device, str) else tuple(sorted(map(str, device if isinstance(device, list) else ())))  # fmt: skip


KEEPERS: Mapping[str, Callable[[TableDraft, Mapping[str, object], frozenset[str]], None]] = {
    "chain": keep_chain,
    "rule": keep_rule,
    "set": keep_set,
    "map": keep_set,
    "flowtable": keep_flowtable,
}
PARSER = Parser(
    kind="nft",
    read=read,
    names=(r"nft(_-\S+)*(_list)?(_ruleset)?(\.json)?", r"(nft[-_]ruleset|nftables)(\.json|\.conf)?"),
    content=re.compile(
        r"^table (ip6?|inet|arp|bridge|netdev) \S+ \{|^\s*(?:nft )?add (?:table|rule|chain|element|set|map) (?:ip6?|inet|arp|bridge|netdev) \S|^\{\s*\"nftables\"",
        re.MULTILINE,
    ),
)
