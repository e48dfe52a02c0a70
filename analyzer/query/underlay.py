"""What becomes of the packets that tunnels send between nodes: each sent once, plainly, through the sender's and the receiver's hooks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import NamedTuple

from analyzer.addresses import Address
from analyzer.facts.base import Fact
from analyzer.facts.links import Geneve, Tunnel, Vxlan, Wireguard
from analyzer.facts.routes import MAIN
from analyzer.model.network import Interface, Namespace, Network
from analyzer.query.plan import default_devices, node_of, registered_address
from analyzer.query.tunnels import Overlay, overlays
from analyzer.solve.packet import UDP, Fate, Packet
from analyzer.source import Scope, Span

PEERS = 4
PROTOCOLS = {"ipip": 4, "sit": 41, "gre": 47, "gretap": 47}
# Devices by which every node reaches every other one.
BETWEEN_NODES = ("flannel.", "vxlan.calico", "cilium_vxlan", "cilium_geneve", "genev_sys")
RULES = frozenset({"iptables-save", "iptables-list", "nft"})


@dataclass(frozen=True, slots=True)
class Leg:
    """A way that tunnel packets take: the device, the peer's address, the packet, and where it starts (a node, or the interface by which
    it comes in from a node that was not captured)."""

    device: Overlay
    peer: Address
    packet: Packet
    start: Scope | Interface
    incoming: bool


def legs(network: Network) -> Iterator[Leg]:
    """For each tunnel device a few ways out, and ways in from nodes that were not captured."""
    every = [sending(network, item) for item in overlays(network, by_name=True) if item.link.up]
    every = [item for item in every if item.endpoint is not None]
    homes = {item.endpoint: item for item in every}
    for item in every:
        for peer in islice(peers(network, item, every), PEERS):
            yield from out(item, peer)
            if peer not in homes:
                yield from into(network, item, peer)


def sending(network: Network, item: Overlay) -> Overlay:
    """The device with the address that it sends from: its own, else the one that its node is known by, where an interface has it, else the first one of the
    device that the default route leaves by."""
    if item.endpoint is not None:
        return item
    root = network.namespaces[item.interface.scope]
    node = node_of(network, root.scope.node)
    known = registered_address(node) if node is not None else None
    if known is not None and any(fact.address == known for fact in root.addresses):
        return replace(item, endpoint=known)
    ways = default_devices(root)
    found = (fact.address for fact in root.addresses if fact.device in ways and fact.address.family == 4)
    return replace(item, endpoint=next(found, None))


def peers(network: Network, item: Overlay, every: list[Overlay]) -> Iterator[Address]:
    """The addresses that the device's packets go to: those of the same device on other nodes, those of its forwarding entries, the gateways of
    routes by an IP-in-IP device, and what other nodes are known by."""
    own = item.endpoint
    space = network.namespaces[item.interface.scope]
    found = [other.endpoint for other in every if other.link.name == item.link.name]
    found += [entry.destination for entry in space.forwarding if entry.device == item.link.name]
    if isinstance(item.kind, Tunnel):
        routes = space.routes.get(4, {}).get(MAIN, ())
        found += [hop.via for route in routes for hop in route.next_hops if hop.device == item.link.name]
    if item.link.name.startswith(BETWEEN_NODES):
        found += [registered_address(node) for _, node in islice(sorted(network.cluster.nodes.items()), 2 * PEERS)]
    mine = {fact.address for fact in space.addresses}
    for address in dict.fromkeys(found):
        if address is not None and own is not None and address not in mine and address.family == own.family and address.value:
            yield address


def outer(item: Overlay, source: Address, target: Address) -> Packet | None:
    """A packet of the tunnel as the nodes between see it; None for a kind whose port is not known."""
    match item.kind:
        case Vxlan(port=port) | Geneve(port=port):
            return Packet(source.family, source.value, target.value, UDP, 40000, port)
        case Tunnel(kind=kind) if kind in PROTOCOLS:
            return Packet(source.family, source.value, target.value, PROTOCOLS[kind])
        case Tunnel() | Wireguard():
            return None


def out(item: Overlay, peer: Address) -> Iterator[Leg]:
    """From the device's node to the peer."""
    if item.endpoint is not None and (packet := outer(item, item.endpoint, peer)) is not None:
        yield Leg(item, peer, packet, Scope(item.interface.scope.node), incoming=False)


def into(network: Network, item: Overlay, peer: Address) -> Iterator[Leg]:
    """From a peer that was not captured, by the interface that has the endpoint's address."""
    if item.endpoint is None or (packet := outer(item, peer, item.endpoint)) is None:
        return
    holders = [at for at in network.owners.get(item.endpoint, ()) if at.scope == item.interface.scope]
    if holders and holders[0] in network.outside:
        yield Leg(item, peer, packet, holders[0], incoming=True)


class Loss(NamedTuple):
    """Where a rule of a firewall drops a packet, and why; ``certain`` where nothing that was not captured could keep it from there."""

    at: Span
    reason: str
    certain: bool


def dropped(network: Network, leg: Leg) -> Loss | None:
    """Where a firewall drops the packet, whatever else happens to it; None where none does."""
    from analyzer.solve.walk.concrete import Flow, walk  # a tenth of a second, which rules that never send a packet need not pay
    from analyzer.solve.walk.netfilter.hooks import NOT_CAPTURED

    outcomes = walk(network, Flow(leg.start, leg.packet)).outcomes
    found = []
    for outcome in outcomes:
        last = outcome.hops[-1] if outcome.hops else None
        open_only = outcome.fate is Fate.UNKNOWN and NOT_CAPTURED in outcome.reason
        if last is None or last.stage != "drop" or last.reply or not (outcome.fate is Fate.UNREACHABLE or open_only):
            return None
        at = last.at if open_only else outcome.at
        if at is None or not at_rule(network, at):
            return None
        found.append(Loss(at, last.what if open_only else outcome.reason, not open_only))
    return min(found, key=lambda loss: (not loss.certain, loss.at), default=None)


def at_rule(network: Network, at: Span) -> bool:
    """Whether a place is a line of a ruleset. Of pasted texts, which are of all kinds, it is what no record of interfaces, routes and switches stands on."""
    source = network.sources.get(at.path)
    return source is not None and (
        source.kind in RULES or (source.kind == "pasted" and at.line not in lines_of_others(network, at.path))
    )


def lines_of_others(network: Network, path: str) -> frozenset[int]:
    """The lines of a text that records other than those of rules stand on."""
    return frozenset(fact.at.line for space in network.namespaces.values() for fact in records(space) if fact.at.path == path)


def records(space: Namespace) -> Iterator[Fact]:
    """What is no rule."""
    yield from chain(
        space.links.values(), space.addresses, space.neighbours, space.forwarding, space.ports.values(), space.sysctls.values()
    )
    yield from (route for by_table in space.routes.values() for found in by_table.values() for route in found)
