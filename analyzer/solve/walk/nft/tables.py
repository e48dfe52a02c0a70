"""Native nft tables, prepared for walking when they are first looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from analyzer.facts.matches import OpenMatch, RateMatch, UnknownMatch
from analyzer.facts.netfilter import Pass
from analyzer.facts.nftables import Among, Base, Negations, NftChain, NftRule, NftSet, NftTableFact, Statement
from analyzer.model.network import Namespace
from analyzer.solve.walk.netfilter.state import Hook
from analyzer.solve.walk.nft.sets import Prepared, prepared

IPTABLES = frozenset({"raw", "mangle", "nat", "filter", "security"})
TESTS = (Among, Negations, RateMatch, OpenMatch, UnknownMatch, Pass)


@dataclass(slots=True)
class NativeTable:
    """A native table, its sets prepared when they are first looked up."""

    fact: NftTableFact
    sets: dict[str, Prepared] = field(default_factory=dict)
    own: dict[int, Prepared] = field(default_factory=dict)
    acting: dict[str, dict[int, tuple[Statement, ...]]] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """``inet firewall``."""
        return f"{self.fact.family} {self.fact.name}"

    def values(self, given: NftSet | str) -> Prepared | None:
        """A set by name, or a rule's own; None: the text does not have it."""
        if isinstance(given, str):
            if given not in self.sets and given in self.fact.sets:
                self.sets[given] = prepared(self.fact.sets[given])
            return self.sets.get(given)
        if id(given) not in self.own:
            self.own[id(given)] = prepared(given)
        return self.own[id(given)]

    def statements(self, chain: NftChain, index: int) -> tuple[Statement, ...]:
        """A rule's statements up to the last that does anything: what follows it is not asked."""
        known = self.acting.setdefault(chain.name, {})
        if index not in known:
            found = list(chain.rules[index].statements)
            while found and isinstance(found[-1], TESTS):
                found.pop()
            known[index] = tuple(found)
        return known[index]


@dataclass(frozen=True, slots=True)
class Place:
    """The rule that is being walked, in words."""

    table: NativeTable
    rule: NftRule
    where: str


@dataclass(frozen=True, slots=True)
class NativeChain:
    """A base chain of a native table."""

    table: NativeTable
    chain: NftChain
    base: Base


def native_chains(namespace: Namespace, families: tuple[str, ...], hook: Hook) -> Iterator[NativeChain]:
    """Native base chains at the hook. Of equal priorities the one that was registered last comes first (core.c ``nf_hook_entries_grow``),
    and tables and chains are listed in the order in which they were made."""
    for fact in reversed(namespace.nft_tables):
        table = NativeTable(fact)
        for chain in reversed(tuple(fact.chains.values())):
            base = chain.base
            here = base is not None and base.hook == hook.value.lower() and fact.family in families
            if not here or base is None or fact.dormant or fact.family == "netdev" or not (chain.rules or base.policy == "drop"):
                continue
            if not listed_before(namespace, fact, chain):
                yield NativeChain(table, chain, base)


def listed_before(namespace: Namespace, fact: NftTableFact, chain: NftChain) -> bool:
    """Whether iptables-save lists the chain too: iptables made it, and it must not run twice."""
    if fact.family not in ("ip", "ip6") or fact.name not in IPTABLES:
        return False
    family = 4 if fact.family == "ip" else 6
    saved = (ruleset for ruleset in namespace.rulesets if ruleset.family == family and ruleset.backend == "nft")
    return any(chain.name in ruleset.tables.get(fact.name, {}) for ruleset in saved)
