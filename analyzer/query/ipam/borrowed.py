"""Addresses that a node uses out of another node's block, by Calico's blocks and by ``calicoctl ipam show --show-borrowed``.

Felix and BIRD route a block to its owner, and an address that is borrowed by a route of its own, longer than the block, to the borrower (projectcalico/calico
felix/calc/l3_route_resolver.go; bird_aggr.cfg.template lets routes below a block out for borrowed addresses).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.addresses import Address, Prefix
from analyzer.facts.calico import BorrowedFact, IpamProblemFact, PoolUseFact, StatedBlockFact
from analyzer.facts.romana import RomanaBlockFact, RomanaHostFact
from analyzer.model.network import Network
from analyzer.query.ipam.records import blocks
from analyzer.source import Span

__all__ = ["IpamProblemFact", "PoolUseFact", "RomanaBlockFact", "RomanaHostFact", "StatedBlockFact"]


@dataclass(frozen=True, slots=True)
class Borrowed:
    """An address with the node that uses it and the one that the block belongs to."""

    address: Address
    node: str
    owner: str
    block: Prefix
    at: Span


def borrowed(network: Network) -> Iterator[Borrowed]:
    """Each borrowed address once."""
    found: dict[Address, Borrowed] = {}
    for block in blocks(network):
        for item in block.records:
            if item.node and block.node and item.node != block.node:
                found[item.address] = Borrowed(item.address, item.node, block.node, block.prefix, item.at)
    for fact in network.ipam:
        if isinstance(fact, BorrowedFact) and fact.node and fact.owner and fact.node != fact.owner:
            found.setdefault(fact.address, Borrowed(fact.address, fact.node, fact.owner, fact.block, fact.at))
    yield from (found[address] for address in sorted(found))
