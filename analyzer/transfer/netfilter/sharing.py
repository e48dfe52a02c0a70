"""Chains that are the same in several namespaces: they are lowered once, and what jumps to one enters the first.

A chain is the same where its text is, and that of every chain it leads to, and where nothing in it depends on the namespace or ends a
packet at a place that a report would show: tests of addresses, ports, marks and connections, jumps, marks, and translation to constants.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from analyzer.facts.matches import (
    AddressMatch,
    AddressRangeMatch,
    ConntrackMatch,
    IcmpMatch,
    InterfaceMatch,
    MarkMatch,
    PortMatch,
    ProtocolMatch,
    StatisticMatch,
    TcpFlagsMatch,
)
from analyzer.facts.netfilter import (
    Chain,
    CopyMark,
    Jump,
    NfRule,
    NoTrack,
    Pass,
    SetMark,
    Target,
    Translate,
    Verdict,
    contents_of,
)
from analyzer.model.network import Network
from analyzer.source import Scope
from analyzer.transfer.ir import Transfer

OF_PACKETS = (
    AddressMatch,
    AddressRangeMatch,
    ConntrackMatch,
    IcmpMatch,
    InterfaceMatch,
    MarkMatch,
    PortMatch,
    ProtocolMatch,
    StatisticMatch,
    TcpFlagsMatch,
)
Place = tuple[str, str]
"""A table (``4/nft/nat``) and the name of a chain in it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A lowered rule, and the chain that it jumps to with the namespace in which that is entered."""

    transfer: Transfer
    chain: str = ""
    home: Scope | None = None


@dataclass(slots=True)
class Sharing:
    """Which chains of a network are the same, and the rules that were lowered for all of them.
    ``alone``: one namespace alone has rules."""

    network: Network
    family: int
    parts: dict[tuple[str, str, int], Part] = field(default_factory=dict)
    first: dict[Place, dict[str, Scope]] = field(default_factory=dict)
    tables: dict[str, list[tuple[Scope, Mapping[str, Chain]]]] = field(default_factory=dict)
    jumps: dict[tuple[str, str], tuple[str, ...] | None] = field(default_factory=dict)
    known: dict[tuple[Scope, Scope, Place], bool] = field(default_factory=dict)
    alone: bool = False

    def __post_init__(self) -> None:
        self.alone = sum(any(fact.tables for fact in space.rulesets) for space in self.network.namespaces.values()) < 2

    def home(self, scope: Scope, table: str, name: str) -> Scope:
        """The namespace whose chain stands for this one: its own where no earlier one is the same."""
        chain = None if self.alone else self.chain(scope, table, name)
        if chain is None:
            return scope
        other = self.firsts(table, name).get(chain.content, scope)
        return other if other == scope or self.same(scope, other, (table, name)) else scope

    def firsts(self, table: str, name: str) -> dict[str, Scope]:
        """The first namespace with a chain of each content."""
        found = self.first.get((table, name))
        if found is None:
            found = self.first[table, name] = {}
            for scope, chains in self.holders(table):
                if name in chains:
                    found.setdefault(contents_of(chains).content(name), scope)
        return found

    def holders(self, table: str) -> list[tuple[Scope, Mapping[str, Chain]]]:
        """The namespaces that have a table, with its chains."""
        if table not in self.tables:
            _, backend, short = table.split("/")
            self.tables[table] = [
                (scope, ruleset.tables[short])
                for scope, space in self.network.namespaces.items()
                for ruleset in space.rulesets
                if ruleset.family == self.family and ruleset.backend == backend and short in ruleset.tables
            ]
        return self.tables[table]

    def chain(self, scope: Scope, table: str, name: str) -> Chain | None:
        """A chain of a namespace."""
        _, backend, short = table.split("/")
        for ruleset in self.network.namespaces[scope].rulesets:
            if ruleset.backend == backend and ruleset.family == self.family:
                return ruleset.tables.get(short, {}).get(name)
        return None

    def same(self, scope: Scope, other: Scope, place: Place) -> bool:
        """Whether a chain and all it leads to are the same in two namespaces, and may be shared."""
        key = (scope, other, place)
        if key not in self.known:
            self.known[key] = False
            self.known[key] = self.compared(scope, other, place)
        return self.known[key]

    def compared(self, scope: Scope, other: Scope, place: Place) -> bool:
        """``same``, worked out; a circle of chains is not the same."""
        table, name = place
        mine, its = self.chain(scope, table, name), self.chain(other, table, name)
        if mine is None or its is None or mine.content != its.content:
            return False
        targets = self.targets(table, its)
        return targets is not None and all(self.same(scope, other, (table, target)) for target in targets)

    def targets(self, table: str, chain: Chain) -> tuple[str, ...] | None:
        """The chains that a chain jumps to; None where it may not be shared."""
        key = (table, chain.content)
        if key not in self.jumps:
            found = [rule.target.chain for rule in chain.rules if isinstance(rule.target, Jump)]
            self.jumps[key] = tuple(dict.fromkeys(found)) if all(map(shared, chain.rules)) else None
        return self.jumps[key]


def shared(rule: NfRule) -> bool:
    """Whether a rule means the same in every namespace and shows no place of its own."""
    return plain(rule.target) and all(isinstance(match, OF_PACKETS) for match in rule.matches)


def plain(target: Target) -> bool:
    """Whether a target depends on nothing but the packet, and does not end it."""
    match target:
        case Verdict(name):
            return name in ("ACCEPT", "RETURN")
        case Jump() | Translate() | SetMark() | CopyMark() | NoTrack() | Pass():
            return True
        case _:
            return False
