"""Native nft tables in the language: base chains at the hooks, and chains as points ``(scope, "nft chain", "inet firewall web")``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from analyzer.facts.nftables import Base, NftChain, NftTableFact
from analyzer.model.link_filters import together
from analyzer.model.network import Namespace
from analyzer.source import Scope
from analyzer.transfer.ir import KEEP, Drop, End, Hook, Seq, Transfer
from analyzer.transfer.netfilter.where import Where
from analyzer.transfer.netfilter.zones import given
from analyzer.transfer.nft.rules import lowered
from analyzer.transfer.space import Context, call, seq

FAMILIES = {4: ("ip", "inet"), 6: ("ip6", "inet")}
TRACKING = -200
IPTABLES = frozenset({"raw", "mangle", "nat", "filter", "security"})


class Native(NamedTuple):
    """A base chain of a native table."""

    table: NftTableFact
    chain: NftChain
    base: Base


def natives(context: Context, space: Namespace, hook: str) -> Iterator[Native]:
    """The base chains at a hook, the one that was registered last first (core.c ``nf_hook_entries_grow``)."""
    for table in reversed(space.nft_tables):
        if table.dormant or table.family not in FAMILIES[context.family]:
            continue
        for chain in reversed(tuple(table.chains.values())):
            base = chain.base
            if base is None or base.hook.upper() != hook or not (len(chain.rules) or base.policy == "drop"):
                continue
            if not saved(space, table, chain):
                yield Native(table, chain, base)


def saved(space: Namespace, table: NftTableFact, chain: NftChain) -> bool:
    """Whether iptables-save lists the chain too."""
    if table.family not in ("ip", "ip6") or table.name not in IPTABLES:
        return False
    family = 4 if table.family == "ip" else 6
    found = (fact for fact in space.rulesets if fact.family == family and fact.backend == "nft")
    return any(chain.name in fact.tables.get(table.name, {}) for fact in found)


def entered(scope: Scope, native: Native) -> Transfer:
    """A base chain with its policy."""
    table, chain, base = native
    policy = f"dropped by the policy of {scope} {table.family} {table.name} {chain.name}"
    end = End(Drop(policy), chain.at) if base.policy == "drop" else KEEP
    return Hook(seq(call(scope, "nft chain", f"{table.family} {table.name} {chain.name}"), end))


def chain_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """One chain, its rules in order."""
    family, name, chain = detail.split(" ", 2)
    space = context.space(scope)
    table = next((fact for fact in space.nft_tables if (fact.family, fact.name) == (family, name)), None)
    if table is None or chain not in table.chains:
        return KEEP
    parts, (template, late) = [], around_tracking(context, space, table, chain)
    for rule in table.chains[chain].rules:
        label = f"{scope} {family} {name} {chain} rule {rule.number}"
        made = lowered(rule, table, Where(context, space, rule.at, label, template=template, late=late))
        if made != KEEP:
            parts.append(made)
    return parts[0] if len(parts) == 1 else Seq(tuple(parts))


def around_tracking(context: Context, space: Namespace, table: NftTableFact, chain: str) -> tuple[bool, bool]:
    """Whether a chain may see packets that have a zone, and no connection yet; and whether it may see those that conntrack has looked at."""
    if not given(context, space):
        return False, True
    found = {before(base) for name, base in bases(table) if leads(table, name, chain)}
    return True in found, False in found


def bases(table: NftTableFact) -> Iterator[tuple[str, Base]]:
    """The chains of a table that hooks call."""
    return ((name, one.base) for name, one in table.chains.items() if one.base is not None)


def before(base: Base) -> bool:
    """Whether a base chain is asked before conntrack looks."""
    return base.hook.upper() in ("PREROUTING", "OUTPUT") and base.priority < TRACKING


def leads(table: NftTableFact, start: str, chain: str) -> bool:
    """Whether packets may come from one chain to another."""
    reached = together(table, start)
    return reached is None or any(one.name == chain for one in reached)
