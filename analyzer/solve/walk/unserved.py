"""Packets for a service on a node of which no captured rule knows services, while some rules were not captured: kube-proxy's may stand there (its nftables
mode, or the legacy back end of iptables)."""

from __future__ import annotations

from typing import cast

from analyzer.addresses import Address
from analyzer.model.services import DUMMY, entrance, services_chain
from analyzer.solve.packet import Packet
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.route_answers import Refused
from analyzer.solve.walk.state import Endings, Undecided, Walk

RULES = ("netfilter-legacy", "nft")
SETTLE = "nft_list_ruleset and iptables-legacy-save of the node"
Portals = tuple[dict[Address, str], dict[tuple[int, int], str]]
"""The services by address, and by protocol and node port."""


def no_route(walk: Walk, space: Space, packet: Packet, found: Refused) -> Endings:
    """The endings where no route leads on."""
    name = portals(walk)[0].get(Address(packet.family, packet.destination))
    if name is None or walk.reply or not unknown(walk, space, packet.family):
        return walk.drop(space.scope, found.reason, found.at)
    address = Address(packet.family, packet.destination)
    return walk.undecided(
        f"what leads {address}, an address of {name}, to its endpoints is not known on {space.place}", None, SETTLE
    )


def at_node_port(walk: Walk, space: Space, packet: Packet) -> Undecided | None:
    """What is not known where a packet to a node port stays on the node; None: it is none, or all rules are known."""
    name = portals(walk)[1].get((packet.protocol, packet.destination_port))
    if name is None or walk.reply or not unknown(walk, space, packet.family):
        return None
    words = f"what leads node port {packet.destination_port} of {name} to its endpoints is not known on {space.place}"
    return Undecided(words, None, SETTLE, tuple(walk.hops))


def unknown(walk: Walk, space: Space, family: int) -> bool:
    """Whether no rule of a node that was captured is one of services, and some may not have been captured."""
    lacking = not space.scope.namespace and any(key in space.namespace.missing for key in RULES)
    if not lacking or space.cilium is not None or DUMMY in space.links or space.namespace.switches:
        return False
    return entrance(walk.index.network, space.scope.node, family) is None and services_chain(space.namespace, family) is None


def portals(walk: Walk) -> Portals:
    """Where services are to be had, found once."""
    found = walk.index.known.get(("portals",))
    if found is None:
        addresses: dict[Address, str] = {}
        ports: dict[tuple[int, int], str] = {}
        for (namespace, name), service in sorted(walk.index.network.cluster.services.items()):
            own = (*service.cluster_addresses, *service.external_addresses, *service.load_balancer_addresses)
            addresses.update(dict.fromkeys(own, f"svc:{namespace}/{name}"))
            ports.update({(port.protocol, port.node_port): f"svc:{namespace}/{name}" for port in service.ports if port.node_port})
        found = walk.index.known["portals",] = (addresses, ports)
    return cast(Portals, found)
