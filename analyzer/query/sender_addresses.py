"""Senders whose addresses are not those that they are known by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analyzer.addresses import Address
from analyzer.model.network import Network
from analyzer.query.choosing import place
from analyzer.query.failures import UNFAMILIAR
from analyzer.query.flows import Lost
from analyzer.query.grouping import Group
from analyzer.query.pairs import split
from analyzer.ranges import single
from analyzer.solve.sets.regions import Result
from analyzer.transfer.ir import Field


def without_address(network: Network, group: Group) -> Iterator[str]:
    """Senders that do not have the address that they are known by: what they send from is not what was decided."""
    for parties in group.sources.values():
        for party in parties:
            space = network.namespaces[party.scope]
            held = any(at.scope == party.scope for at in network.owners.get(party.address, ()))
            if not held and "ip-addr" not in space.missing:
                yield f"{party.name} is known by {party.address}, and its namespace does not have that address"


def unrecognised(network: Network, group: Group, delivered: Sequence[Result]) -> Iterator[Lost]:
    """The packets that arrive from an address that their sender is not known by."""
    for one in group.unfamiliar:
        own = Address(one.party.address.family, one.source)
        reason = f"{one.party.name} sends from {own}, and is known by {one.party.address}"
        for result in delivered:
            for state in split(result.state, Field.SOURCE, {one.party.name: single(one.source)}):
                yield Lost(UNFAMILIAR, reason, place(network, one), state)
