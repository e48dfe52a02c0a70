"""Geneve: to the one far end of a device, and the device that takes what comes from there (drivers/net/geneve.c)."""

from __future__ import annotations

from analyzer.addresses import Address, hardware_text
from analyzer.facts.links import Geneve
from analyzer.model.network import Interface
from analyzer.solve.packet import UDP
from analyzer.solve.walk import links, shut_out, tunnels
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.state import Delivered, Endings, Frame, Walk


def encapsulate(walk: Walk, space: Space, at: Interface, kind: Geneve, frame: Frame) -> Endings:
    """``geneve_xmit``: to the one remote."""
    link = space.links[at.device]
    if kind.external or kind.remote is None:
        return walk.undecided(f"{at} takes its tunnel's far end from whoever sends (external)", link.at, "the switch's flows")
    walk.tell(at.scope, "encapsulate", f"{at.device} sends the frame in Geneve {kind.identifier} to {kind.remote}", link.at)
    scope = walk.index.network.sockets.get(at, at.scope)
    outer = tunnels.outer_packet(frame, kind.remote, 0, scope == at.scope, UDP, kind.port, 30, kind.service)
    outer = outer._replace(fragments=tunnels.cut_on_the_way(kind, frame, kind.remote))
    if (refused := shut_out.too_long(walk, at, scope, frame, outer)) is not None:
        return refused
    return tunnels.carried(walk, scope, outer, lambda end: opened(walk, end, kind, frame))


def opened(walk: Walk, end: Delivered, sender: Geneve, frame: Frame) -> Endings:
    """``geneve_lookup``: the device with the network's number whose far end is the packet's source takes the frame, not one of its own (``geneve_rx``)."""
    packet = end.at.packet
    source = Address(packet.family, packet.source)
    for one in walk.index.tunnels.get(end.scope, ()):
        link = walk.index.link(one)
        kind = link.kind if link is not None and link.up else None
        if link is None or not isinstance(kind, Geneve) or kind.port != packet.destination_port:
            continue
        if kind.external:
            return walk.undecided(f"{one} takes any Geneve (external): what follows is not known", link.at)
        if (kind.identifier, kind.remote) != (sender.identifier, source):
            continue
        if source.family == 6 and sender.zero_checksums[0] and not kind.zero_checksums[1]:
            return walk.drop(one.scope, f"{one} takes no packets without a UDP checksum (noudp6zerocsumrx)", link.at)
        if link.mac == frame.source:
            return walk.drop(one.scope, f"{one} drops a frame from its own MAC {hardware_text(frame.source)}", link.at)
        walk.tell(one.scope, "decapsulate", f"{one.device} takes the frame out", link.at, links.packet_of(frame))
        return links.arrive(walk, one, tunnels.entering(frame, end, one))
    text = f"no Geneve device of {end.scope} has VNI {sender.identifier}, port {packet.destination_port} and the far end {source}"
    return walk.drop(end.scope, text, tunnels.nearest(walk, end.scope))
