"""The rules by which CNI's portmap plugin leads host ports to pods."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.addresses import Address
from analyzer.model.network import Namespace
from analyzer.query.native import destinations, tables
from analyzer.query.tables import chain, destination_of
from analyzer.source import Span

Lead = tuple[Span, Span, Address, str]
"""Where a rule for a host port is, where it translates, to which address, and how it is taken away."""


def leads(root: Namespace) -> Iterator[Lead]:
    """All of a node's root namespace."""
    yield from chained(root)
    yield from native(root)


def chained(root: Namespace) -> Iterator[Lead]:
    """The chains of the portmap plugin, each of one pod."""
    for ruleset, dispatch in chain(root, "nat", "CNI-HOSTPORT-DNAT"):
        for rule in dispatch.rules:
            target = ruleset.tables["nat"].get(getattr(rule.target, "chain", ""))
            for inner in target.rules if target is not None else ():
                found = destination_of(inner, 4)
                if found is not None and target is not None:
                    help = f"iptables -t nat -D CNI-HOSTPORT-DNAT {rule.number}, then delete the chain {target.name}"
                    yield rule.at, inner.at, found, help
                    break


def native(root: Namespace) -> Iterator[Lead]:
    """The rules of the portmap plugin in its table of nftables."""
    for table in tables(root, "cni_hostport"):
        for found, rule, target in destinations(table):
            help = f"delete the rule from chain {found.name} of table {table.family} {table.name} (nft -a list ruleset shows its handle)"
            yield rule.at, rule.at, target, help
