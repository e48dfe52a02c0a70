"""What ``arptables-save`` and ``ebtables-save`` print: the base chains of tables of their own, and whether these can do more than accept.

Rules of ebtables are not read further than to their targets (ebtables(8)): a chain that drops, changes, marks or sends on what it sees is open. Those
of arptables are, and make a table as nft lists it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from analyzer.facts.base import Fact
from analyzer.facts.netfilter import NftChainFact
from analyzer.facts.nftables import Base, NftChain, NftRule, NftTableFact
from analyzer.parsers import gap, reason
from analyzer.parsers._arp_rules import statements
from analyzer.parsers._words import refuse_errors
from analyzer.source import Gap, Source, Span

HARMLESS = frozenset({"ACCEPT", "CONTINUE", "RETURN", "LOG", "NFLOG", "ulog"})
CHAIN = re.compile(r":(\S+) (\S+)(?: \[\d+:\d+\])?\s*$")
TARGET = re.compile(r"(?:^|\s)(?:-j|--jump) (\S+)")


@dataclass(slots=True)
class Draft:
    """A chain while its rules are read: where each goes, and its line."""

    line: int
    policy: str
    targets: list[tuple[str, int]] = field(default_factory=list)
    rules: list[tuple[str, int]] = field(default_factory=list)


def reader(family: str, hooks: Mapping[str, str]) -> Callable[[Source], Iterator[Fact | Gap]]:
    """A reader of one family; ``hooks`` are the base chains, each with the name of its hook."""

    def read(source: Source) -> Iterator[Fact | Gap]:
        tables: dict[str, dict[str, Draft]] = {}
        table: dict[str, Draft] = {}
        for number, line in enumerate(source.text.split("\n"), 1):
            text = re.sub(r"^\[\d+:\d+\] ", "", line.strip())
            if not text or text.startswith("#") or text == "COMMIT":
                continue
            if text.startswith("*"):
                table = tables.setdefault(text[1:], {})
            elif (found := CHAIN.match(text)) is not None:
                table.setdefault(found.group(1), Draft(number, found.group(2)))
            elif (words := text.split(maxsplit=2))[0] == "-A" and len(words) > 1:
                target = TARGET.search(text)
                draft = table.setdefault(words[1], Draft(number, "-"))
                draft.targets.append((target.group(1) if target else "CONTINUE", number))
                draft.rules.append((words[2] if len(words) > 2 else "", number))
            else:
                yield stranger(source, number, text)
        for name, chains in tables.items():
            if family == "arp":
                yield arp_table(source, name, chains, hooks)
            yield from (base(source, family, name, chains, own, hook) for own, hook in hooks.items() if own in chains)

    return read


def arp_table(source: Source, name: str, chains: Mapping[str, Draft], hooks: Mapping[str, str]) -> NftTableFact:
    """A table of ARP with its rules."""
    own = frozenset(chains) - frozenset(hooks)
    made: dict[str, NftChain] = {}
    for chain, draft in chains.items():
        rules = tuple(
            NftRule(statements(text, own), place, Span(source.path, line), text)
            for place, (text, line) in enumerate(draft.rules, 1)
        )
        start = Base("filter", hooks[chain], 0, draft.policy.lower()) if chain in hooks else None
        made[chain] = NftChain(chain, rules, start, Span(source.path, draft.line))
    at = Span(source.path, min(draft.line for draft in chains.values()) if chains else 1)
    return NftTableFact(at=at, scope=source.scope, family="arp", name=name, chains=made, sets={}, flowtables={})


def stranger(source: Source, number: int, text: str) -> Gap:
    """A line that is none of a table."""
    try:
        refuse_errors(text)
    except ValueError as problem:
        return gap(source, number, reason(problem))
    return gap(source, number, f"expected '*TABLE', ':CHAIN POLICY' or '-A CHAIN …', not {text[:60]!r}")


def base(source: Source, family: str, table: str, chains: Mapping[str, Draft], name: str, hook: str) -> NftChainFact:
    """A base chain; its place is that of the first line by which it may do more than accept."""
    draft = chains[name]
    acts = first_act(chains, name)
    place = acts if acts is not None else draft.line
    return NftChainFact(
        at=Span(source.path, place), scope=source.scope, family=family, table=table, name=name, hook=hook, kind="filter", priority=0,
        policy=draft.policy.lower(), inert=acts is None, rules=len(draft.targets),
    )  # fmt: skip


def first_act(chains: Mapping[str, Draft], start: str) -> int | None:
    """The line by which a chain, or one that it leads to, may do more than accept."""
    if chains[start].policy == "DROP":
        return chains[start].line
    seen, waiting = {start}, [start]
    while waiting:
        for target, line in chains[waiting.pop()].targets:
            if target in chains and target not in seen:
                seen.add(target)
                waiting.append(target)
            elif target not in chains and target not in HARMLESS:
                return line
    return next((chains[name].line for name in sorted(seen - {start}) if chains[name].policy == "DROP"), None)
