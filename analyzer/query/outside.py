"""Packets that come in from outside the capture: one for each node and node port."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from analyzer.addresses import Address, Prefix
from analyzer.model.network import Interface, Network
from analyzer.query.flows import LOST, Lost
from analyzer.query.parties import Party, Portal, nodes
from analyzer.query.plan import node_networks
from analyzer.query.reach import Failure, Reach
from analyzer.query.replay import UNHEARD, Word, judged
from analyzer.solve.concrete import Flow, walk
from analyzer.solve.packet import SYN, TCP, Packet
from analyzer.solve.regions import start

WALKS = 2_000
TRIED = "one packet for each was walked, not all packets"
STRANGER = {4: Address(4, 0xC6336407), 6: Address(6, 0x20010DB8 << 96 | 7)}
"""Addresses for documentation (RFC 5737, RFC 3849), which nobody has."""


def entrances(network: Network, family: int) -> list[tuple[Party, Interface]]:
    """The nodes with the interface that has their address, where the other end of it is outside the capture."""
    uplinks = {(item.interface.scope, item.address): item.interface for item in node_networks(network)}
    found = [(party, uplinks.get((party.scope, party.address))) for party in nodes(network, family)]
    return [(party, at) for party, at in found if at is not None]


def stranger(network: Network, family: int) -> Address:
    """An address that is on no network of the capture."""
    own = [Prefix(item.address.family, item.prefix.value, item.prefix.length) for item in node_networks(network)]
    address = STRANGER[family]
    return address if not any(prefix.covers(address) for prefix in own) else Address(family, address.value + 1)


def from_outside(network: Network, found: Iterable[Portal]) -> Reach:
    """What single packets to node ports show."""
    reach = Reach()
    for portal in found:
        family = portal.address.family
        ways = [way for way in entrances(network, family) if serves(portal, network, way[0])]
        for party, at in islice(ways, max(0, WALKS - reach.pairs)):
            reach.pairs += 1
            attempt(network, reach, portal, party, at)
    reach.doubts[f"packets from outside: {TRIED}"] = None
    return reach


def serves(portal: Portal, network: Network, party: Party) -> bool:
    """Whether the node is to answer: with externalTrafficPolicy Local only one with an endpoint of its own is."""
    if portal.service is None or portal.service.external_policy != "Local":
        return True
    here = {address.value for item in network.attachments if item.scope.node == party.scope.node for address in item.addresses}
    return any(address in here for address, _ in portal.endpoints)


def attempt(network: Network, reach: Reach, portal: Portal, party: Party, at: Interface) -> None:
    """Walks one packet."""
    family, protocol = portal.address.family, portal.protocol
    flags = SYN if protocol == TCP else 0
    packet = Packet(
        family, stranger(network, family).value, party.address.value, protocol, 40000, portal.node_port, tcp_flags=flags
    )
    trace = walk(network, Flow(at, packet))
    found = judged(Lost(LOST, "", None, start({})), trace)
    if found.word is Word.CONFIRMED and UNHEARD not in found.reason:
        pairs = frozenset({("outside", f"{party.name} port {portal.node_port} (svc:{portal.name})")})
        reach.failures.append(Failure(LOST, pairs, found.reason, found.at, found.shown))
