"""WireGuard: to the peer that may have a packet's destination, and out of the device that knows the sender's key (drivers/net/wireguard).

Devices know each other by their public keys; where these were not captured, peers are told apart by their endpoints. A device sends to where it heard a peer
last (``wg_socket_set_peer_endpoint_from_skb``).
"""

from __future__ import annotations

from collections.abc import Iterable

from analyzer.addresses import Address, prefix
from analyzer.facts.links import Wireguard, WireguardPeerFact
from analyzer.model.network import Interface
from analyzer.solve.packet import UDP, Packet
from analyzer.solve.walk import links, tunnels
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.netfilter.hooks import HookPacket
from analyzer.solve.walk.state import Delivered, Endings, Frame, Walk

OVERHEAD = 40
"""UDP's header, that of WireGuard's data and the tag behind it."""


def encapsulate(walk: Walk, space: Space, at: Interface, frame: Frame) -> Endings:
    """``wg_xmit``: to the peer whose allowed addresses hold the destination by the longest prefix."""
    packet = frame.load
    if not isinstance(packet, HookPacket):
        return walk.drop(at.scope, f"{at} carries no questions for neighbours", None, True)
    known = peers(space, at.device)
    if known is None:
        return unlisted(walk, space, at)
    target = Address(packet.packet.family, packet.packet.destination)
    peer = chosen(known, target)
    if peer is None:
        return walk.drop(at.scope, f"no peer of {at} is allowed {target}", space.address_at(at.device))
    heard = walk.endpoints.get((at, peer.public_key), (peer.endpoint, peer.port))
    return sent(walk, space, at, peer, frame, packet.packet, *heard)


def sent(
    walk: Walk,
    space: Space,
    at: Interface,
    peer: WireguardPeerFact,
    frame: Frame,
    inner: Packet,
    end: Address | None,
    port: int | None,
) -> Endings:
    """To a peer's endpoint, from the port that the device listens on, with its mark."""
    if end is None:
        text = f"where the peer {peer.public_key} of {at} is, which had not been heard when it was captured, is not known"
        return walk.undecided(text, peer.at, f"wg show all endpoints of {space.place}")
    walk.tell(at.scope, "encapsulate", f"{at.device} sends the packet in WireGuard to {end} port {port}", peer.at, inner)
    scope = walk.index.network.sockets.get(at, at.scope)
    outer = tunnels.outer_packet(frame, end, 0, False, UDP, port or 0, OVERHEAD)
    own = space.namespace.wireguard.get(at.device)
    if own is not None:
        outer = outer._replace(source_port=own.port or outer.source_port, mark=own.mark or 0)
    return tunnels.carried(walk, scope, outer._replace(fragments=True), lambda end: opened(walk, end, at, peer, frame, inner))


def opened(walk: Walk, end: Delivered, sender: Interface, peer: WireguardPeerFact, frame: Frame, inner: Packet) -> Endings:
    """The device that has the key by which its sender knows it takes the packet."""
    outer = end.at.packet
    for one in walk.index.tunnels.get(end.scope, ()):
        link, known = walk.index.link(one), walk.space(one.scope).namespace.wireguard.get(one.device)
        if link is None or not link.up or not isinstance(link.kind, Wireguard):
            continue
        if known is not None and known.port not in (None, outer.destination_port):
            continue
        if known is None or known.public_key in (None, peer.public_key):
            return taken(walk, one, sender, frame, inner, outer)
    return walk.drop(
        end.scope, f"no WireGuard device of {end.scope} has the key {peer.public_key}, by which {sender} knows its peer"
    )


def taken(walk: Walk, one: Interface, sender: Interface, frame: Frame, inner: Packet, outer: Packet) -> Endings:
    """``wg_packet_consume_data_done``: the inner source must be allowed to the peer that sent it."""
    space, source = walk.space(one.scope), Address(inner.family, inner.source)
    known, own = peers(space, one.device), walk.space(sender.scope).namespace.wireguard.get(sender.device)
    if known is None:
        return unlisted(walk, space, one)
    key = own.public_key if own is not None else None
    allowed = chosen(known, source)
    if key is not None and not any(fact.public_key == key for fact in known):
        return walk.drop(one.scope, f"{one} has no peer with the key of {sender}", space.address_at(one.device))
    if allowed is None or (key is not None and allowed.public_key != key):
        return walk.drop(one.scope, f"{one} does not allow {source} to the peer that sent it", space.address_at(one.device))
    if key is None and allowed.endpoint not in (None, Address(outer.family, outer.source)):
        text = f"whether {sender} is the peer {allowed.public_key} of {one} is not known"
        return walk.undecided(text, allowed.at, f"wg show all public-key of {sender.scope}")
    far = space.namespace.wireguard.get(one.device)
    if key is None or far is None or far.public_key is None:
        walk.assume(f"the keys of {one} and its peer fit")
    walk.endpoints[one, allowed.public_key] = Address(outer.family, outer.source), outer.source_port
    walk.tell(one.scope, "decapsulate", f"{one.device} takes the packet out", allowed.at, inner)
    return links.arrive(walk, one, frame.carrying(HookPacket(inner._replace(mark=0)), False))


def unlisted(walk: Walk, space: Space, at: Interface) -> Endings:
    """Peers that were not captured."""
    text = f"which addresses the peers of {at} are allowed was not captured"
    return walk.undecided(text, space.address_at(at.device), f"wg show of {space.place}")


def peers(space: Space, device: str) -> tuple[WireguardPeerFact, ...] | None:
    """The peers of a device; None where not all is known of what they are allowed."""
    found = tuple(fact for fact in space.namespace.wireguard_peers if fact.device == device)
    known = found or device in space.namespace.wireguard
    return None if not known or any(fact.allowed is None for fact in found) or "wg" in space.namespace.gaps else found


def chosen(given: Iterable[WireguardPeerFact], target: Address) -> WireguardPeerFact | None:
    """The peer that is allowed an address (drivers/net/wireguard/allowedips.c)."""
    best: tuple[int, WireguardPeerFact] | None = None
    for fact in given:
        for text in fact.allowed or ():
            allowed = prefix(text)
            if allowed.covers(target) and (best is None or allowed.length > best[0]):
                best = (allowed.length, fact)
    return best[1] if best else None
