"""Packets of pods that leave their node, one of each kind sent plainly, also where no pod's own namespace was captured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice

from analyzer.addresses import WIDTH, Address, Prefix
from analyzer.model.network import Interface, Namespace, Network
from analyzer.query.networks_of_nodes import handed_out
from analyzer.query.once import Whole
from analyzer.query.plan import node_of
from analyzer.query.state import roots
from analyzer.solve.packet import UDP, Hop, Outcome, Packet

PEERS = 4
HOSTS = 57


@dataclass(frozen=True, slots=True)
class Origin:
    """A node's own pods: an address of one, and the device by which their packets meet the node."""

    root: Namespace
    address: Address
    device: str


def origins(network: Network, family: int = 4) -> tuple[Origin, ...]:
    """For each node one pod that was captured, else an address of its pod network, behind the bridge that has its gateway."""
    return every_origin(Whole(network), family)


@lru_cache(maxsize=2)
def every_origin(whole: Whole, family: int) -> tuple[Origin, ...]:
    """The same, once for all who ask."""
    found = (origin_of(whole.network, root, family) for root in roots(whole.network))
    return tuple(one for one in found if one is not None)


def origin_of(network: Network, root: Namespace, family: int) -> Origin | None:
    """The same, of one node."""
    return next(of_pods(network, root, family), None) or next(of_networks(network, root, family), None)


def of_pods(network: Network, root: Namespace, family: int) -> Iterator[Origin]:
    """Captured pods whose interface ends on the node."""
    from analyzer.query.tunnels import host_ends

    for end in host_ends(network, root):
        for address in end.pod.addresses:
            if address.family == family:
                yield Origin(root, address, end.device.name)


def of_networks(network: Network, root: Namespace, family: int) -> Iterator[Origin]:
    """The node's pod network, where a device has an address of it."""
    for prefix in own_networks(network, root.scope.node, family):
        for fact in root.addresses:
            if prefix.covers(fact.address) and fact.length < WIDTH[family]:
                yield Origin(root, some_host(prefix), fact.device)


def own_networks(network: Network, node: str, family: int) -> tuple[Prefix, ...]:
    """The pod networks that the Node object states and pods have addresses of."""
    found = node_of(network, node)
    return tuple(prefix for prefix in handed_out(network, found) if prefix.family == family) if found is not None else ()


def some_host(prefix: Prefix) -> Address:
    """An address inside a network that is neither its first nor its gateway's."""
    size = 1 << (WIDTH[prefix.family] - prefix.length)
    return Address(prefix.family, prefix.value + min(HOSTS, size - 1))


def to_pods(network: Network, origin: Origin) -> Iterator[tuple[Packet, Outcome]]:
    """Packets to pods of other nodes, and what became of them."""
    own = own_networks(network, origin.root.scope.node, origin.address.family)
    away = (one for one in others(network, origin) if not any(prefix.covers(one) for prefix in own))
    for target in islice(away, PEERS):
        yield from sent(network, origin, target)


def others(network: Network, origin: Origin) -> Iterator[Address]:
    """Addresses of nodes' pod networks, then of other nodes' pods, each once."""
    family = origin.address.family
    stated = (
        prefix for node in network.cluster.nodes.values() for prefix in handed_out(network, node) if prefix.family == family
    )
    seen: set[Address] = set()
    for one in chain(map(some_host, stated), (one.address for one in origins(network, family) if one.root is not origin.root)):
        if one not in seen:
            seen.add(one)
            yield one


def to_outside(network: Network, origin: Origin) -> Iterator[tuple[Packet, Outcome]]:
    """A packet to an address that nobody in the capture has."""
    from analyzer.query.outside import stranger

    yield from sent(network, origin, stranger(network, origin.address.family))


def sent(network: Network, origin: Origin, target: Address) -> Iterator[tuple[Packet, Outcome]]:
    """One UDP packet from the pod, as it comes in by its device."""
    from analyzer.solve.walk.concrete import Flow, walk  # a tenth of a second, which rules that never send a packet need not pay

    packet = Packet(target.family, origin.address.value, target.value, UDP, 40000, 5001)
    for outcome in walk(network, Flow(Interface(origin.root.scope, origin.device), packet)).outcomes:
        yield packet, outcome


def translation(packet: Packet, outcome: Outcome) -> Hop | None:
    """The step in which the sender's address was changed on the way there."""
    for hop in outcome.hops:
        if hop.reply:
            return None
        now = hop.packet
        inner = now is not None and now.destination == packet.destination  # and no tunnel's packet
        if now is not None and inner and hop.stage == "netfilter" and hop.at is not None and now.source != packet.source:
            return hop
    return None
