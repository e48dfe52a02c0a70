"""Native tables of nftables, as rules look at them: what a base chain can come to, and where its rules translate to."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.addresses import Address
from analyzer.facts.netfilter import Jump, Queue, Reject, UnknownTarget, Verdict
from analyzer.facts.nftables import NftChain, NftRule, NftTableFact, Statement, Translation, VerdictMap
from analyzer.model.network import Namespace

REFUSES = "filters"
LEADS = "translates destinations"


def tables(space: Namespace, name: str) -> Iterator[NftTableFact]:
    """The tables of this name that see packets, of every family."""
    return (table for table in space.nft_tables if table.name == name and not table.dormant)


def reached(table: NftTableFact, start: str) -> list[NftChain]:
    """The chain and every chain that it can go to, by jumps and verdict maps, in the order in which they are met."""
    found: dict[str, NftChain] = {}
    waiting = [start]
    while waiting:
        chain = table.chains.get(waiting.pop(0))
        if chain is not None and chain.name not in found:
            found[chain.name] = chain
            waiting += [name for rule in chain.rules for item in rule.statements for name in goals(table, item)]
    return list(found.values())


def goals(table: NftTableFact, item: Statement) -> Iterator[str]:
    """The chains that a statement goes to."""
    if isinstance(item, Jump):
        yield item.chain
    if isinstance(item, VerdictMap):
        values = table.sets.get(item.values) if isinstance(item.values, str) else item.values
        yield from (element.data.chain for element in values.elements if isinstance(element.data, Jump)) if values else ()


def effect(table: NftTableFact, start: str) -> str:
    """The most that a base chain can do to a packet's way: refuse it, lead it elsewhere, or (empty) neither."""
    chains = reached(table, start)
    statements = [item for chain in chains for rule in chain.rules for item in rule.statements]
    if any(chain.base and chain.base.policy == "drop" for chain in chains) or any(refuses(table, item) for item in statements):
        return REFUSES
    leads = any(isinstance(item, Translation) and item.kind in ("dnat", "redirect") for item in statements)
    return LEADS if leads else ""


def refuses(table: NftTableFact, item: Statement) -> bool:
    """Whether a statement can end a packet's way, or is not understood."""
    match item:
        case Verdict("DROP") | Reject() | Queue() | UnknownTarget():
            return True
        case VerdictMap(_, values):
            known = table.sets.get(values) if isinstance(values, str) else values
            return known is None or bool(known.unread) or any(element.data == Verdict("DROP") for element in known.elements)
        case _:
            return False


def destinations(table: NftTableFact) -> Iterator[tuple[NftChain, NftRule, Address]]:
    """The rules that translate a destination to one address, with it."""
    family = {"ip": 4, "ip6": 6}.get(table.family)
    for chain in table.chains.values():
        for rule in chain.rules:
            for item in rule.statements:
                if not isinstance(item, Translation) or item.kind != "dnat" or not item.addresses:
                    continue
                version = item.family or family
                if version and item.addresses[0] == item.addresses[1]:
                    yield chain, rule, Address(version, item.addresses[0])
