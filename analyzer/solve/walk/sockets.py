"""The sockets of tunnels, which the kernel itself reads: what is no packet of a tunnel is dropped there, and nobody is told (drivers/net/vxlan/vxlan_core.c ``vxlan_rcv``:
without the flag of a VNI, or with one that no device has; geneve.c ``geneve_udp_encap_recv``; drivers/net/wireguard/receive.c ``prepare_skb_header``)."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.addresses import Address
from analyzer.facts.links import Geneve, LinkFact, Vxlan, Wireguard
from analyzer.model.segments import physical
from analyzer.solve.packet import TCP, UDP
from analyzer.solve.walk import delivery
from analyzer.solve.walk.ovs.tunnels import udp_port
from analyzer.solve.walk.state import Delivered, Dropped, Walk
from analyzer.solve.walk.tunnels import fits
from analyzer.source import Scope, Span

SWITCHED = ("geneve", "vxlan")


def of_tunnel(walk: Walk, end: Delivered) -> Dropped | None:
    """Why a packet that was sent to a tunnel's port is lost; None: the port is no tunnel's."""
    packet = end.at.packet
    for name, at in holders(walk, end) if packet.protocol == UDP else ():
        words = (
            f"UDP port {packet.destination_port} of {end.scope} is that of the tunnel {name}, and this is no packet of a tunnel"
        )
        return Dropped(words, at, hops=tuple(walk.hops))
    device = hidden(walk, end) if packet.protocol == UDP else None
    if device is not None and walk.oracle.test(
        f"UDP port {packet.destination_port} of {end.scope} is that of a tunnel {device.name}",
        device.at,
        f"ip -d link show of {end.scope}",
    ):
        words = f"UDP port {packet.destination_port} of {end.scope} may be that of the tunnel {device.name}, and this is no packet of a tunnel"
        return Dropped(words, device.at, hops=tuple(walk.hops))
    return None


def hidden(walk: Walk, end: Delivered) -> LinkFact | None:
    """A device that may be a tunnel, of which no text shows the kind (``ip addr`` without ``-d``), where the port's socket is no process's, as those of tunnels
    are."""
    space, port = walk.space(end.scope).namespace, end.at.packet.destination_port
    known = [fact for fact in space.listeners or () if fact.protocol == UDP and fact.port == port]
    if not known or any(fact.process for fact in known):
        return None
    masters = {link.master for link in space.links.values()}
    kindless = (
        link for link in space.links.values() if link.up and link.kind is None and not link.detailed and link.name not in masters
    )
    return next((link for link in kindless if link.peer_index is None and link.name != "lo" and not physical(link, space)), None)


def holders(walk: Walk, end: Delivered) -> Iterator[tuple[str, Span | None]]:
    """The tunnels whose socket has the packet's port."""
    packet = end.at.packet
    for one in walk.index.tunnels.get(end.scope, ()):
        link = walk.index.link(one)
        match link.kind if link is not None and link.up else None:
            case Vxlan() as kind if fits(kind, packet):
                yield one.device, link.at if link else None
            case Geneve(port=port, remote=far) if port == packet.destination_port and (
                far is None or far.family == packet.family
            ):
                yield one.device, link.at if link else None
            case Wireguard() if packet.destination_port == listening(walk, end.scope):
                yield one.device, link.at if link else None
            case _:
                continue
    for tables in walk.space(end.scope).switching.every:
        for own in tables.switch.ports.values() if tables.switch.flows is not None else ():
            if own.kind in SWITCHED and udp_port(own) == packet.destination_port:
                yield own.name, own.at


def listening(walk: Walk, scope: Scope) -> int | None:
    """The port of a namespace's WireGuard devices: their own, or as their peers know it."""
    said = [fact.port for fact in walk.space(scope).namespace.wireguard.values() if fact.port]
    if said:
        return said[0]
    network = walk.index.network
    own = {address for address, owners in network.owners.items() if any(owner.scope == scope for owner in owners)}
    peers = (fact for space in network.namespaces.values() for fact in space.wireguard_peers)
    return next((fact.port for fact in peers if fact.endpoint in own and fact.port), None)


def unanswerable(walk: Walk, end: Delivered) -> Dropped | None:
    """Why who took a packet cannot answer from the address that it was sent to: IPv4 sends from the namespace's own addresses alone, unless the socket is
    transparent (net/ipv4/route.c ``ip_route_output_key_hash_rcu``: ``__ip_dev_find`` where FLOWI_FLAG_ANYSRC is not set). IPv6 does not ask."""
    packet, space = end.at.packet, walk.space(end.scope)
    if packet.family == 6 or end.at.socket is not None or delivery.held(space, packet.destination):
        return None
    words = f"{space.place} cannot send from {Address(4, packet.destination)}, which none of its interfaces has"
    if packet.protocol not in (TCP, UDP):
        return Dropped(words, hops=tuple(walk.hops))
    if walk.oracle.test(
        f"the socket of {space.place} that answers {packet} is transparent", None, "whether the socket is transparent"
    ):
        return None
    return Dropped(f"{words}, and the socket is not transparent", hops=tuple(walk.hops))
