"""What becomes of the packets that tunnels send between nodes: each sent once, plainly, through the sender's and the receiver's hooks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from analyzer.addresses import Address
from analyzer.facts.links import Geneve, Tunnel, Vxlan, Wireguard
from analyzer.model.network import Interface, Network
from analyzer.query.tunnels import Overlay, overlays
from analyzer.solve.packet import UDP, Fate, Outcome, Packet
from analyzer.source import Scope

PEERS = 4
PROTOCOLS = {"ipip": 4, "sit": 41, "gre": 47, "gretap": 47}
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
    every = [item for item in overlays(network) if item.endpoint is not None and item.link.up]
    homes = {item.endpoint: item for item in every}
    for item in every:
        for peer in islice(peers(network, item, every), PEERS):
            yield from out(item, peer)
            if peer not in homes:
                yield from into(network, item, peer)


def peers(network: Network, item: Overlay, every: list[Overlay]) -> Iterator[Address]:
    """The addresses that the device's packets go to: those of the same device on other nodes, and those of its forwarding entries."""
    own = item.endpoint
    space = network.namespaces[item.interface.scope]
    found = [other.endpoint for other in every if other.link.name == item.link.name]
    found += [entry.destination for entry in space.forwarding if entry.device == item.link.name]
    for address in dict.fromkeys(found):
        if address is not None and own is not None and address != own and address.family == own.family and address.value:
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


def dropped(network: Network, leg: Leg) -> Outcome | None:
    """The outcome in which a rule of a firewall drops the packet; None where none does for certain."""
    from analyzer.solve.walk.concrete import Flow, walk  # a tenth of a second, which rules that never send a packet need not pay

    trace = walk(network, Flow(leg.start, leg.packet))
    lost = [outcome for outcome in trace.outcomes if outcome.fate is Fate.UNREACHABLE and at_rule(network, outcome)]
    return lost[0] if lost and len(lost) == len(trace.outcomes) else None


def at_rule(network: Network, outcome: Outcome) -> bool:
    """Whether the request, not the reply, ended at a line of a ruleset."""
    source = network.sources.get(outcome.at.path) if outcome.at else None
    kinds = {source.kind} if source else set()
    ended = bool(outcome.hops) and outcome.hops[-1].stage == "drop" and not outcome.hops[-1].reply
    return ended and (bool(kinds & RULES) or "pasted" in kinds)
