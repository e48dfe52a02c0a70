"""WireGuard in the language: the peer that may have a packet's destination, and the device that knows the sender's key (drivers/net/wireguard)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from analyzer.addresses import Prefix, prefix
from analyzer.facts.links import WireguardPeerFact
from analyzer.model.network import Interface
from analyzer.ranges import Ranges, normalised
from analyzer.source import Scope
from analyzer.transfer.carried import UDP, listening, outer
from analyzer.transfer.ir import KEEP, Assign, End, Field, If, In, Transfer, Unknown
from analyzer.transfer.space import Context, by_value, dispatch, drop, flattened, goto, seq


def wireguard(context: Context, at: Interface) -> Transfer:
    """drivers/net/wireguard/allowedips.c: the peer with the longest prefix that holds the destination."""
    peers = peers_of(context, at)
    if peers is None:
        return End(Unknown(f"which addresses the peers of {at} are allowed was not captured"))
    rows = [(pair, to_peer(context, at, peer)) for pair, peer in by_address(peers, context.family)]
    return dispatch(Field.DESTINATION, rows, drop(f"no peer of {at} may have the destination (AllowedIPs)"))


def peers_of(context: Context, at: Interface) -> Sequence[WireguardPeerFact] | None:
    """The peers of a device; None where not all is known of what they are allowed."""
    space = context.space(at.scope)
    found = [fact for fact in space.wireguard_peers if fact.device == at.device]
    known = found or at.device in space.wireguard
    return None if not known or any(fact.allowed is None for fact in found) or "wg" in space.gaps else found


def by_address(peers: Sequence[WireguardPeerFact], family: int) -> list[tuple[tuple[int, int], WireguardPeerFact]]:
    """Which peer each run of addresses is allowed to."""
    holders: Mapping[Prefix, WireguardPeerFact] = {network: peer for peer in peers for network in allowed(peer, family)}
    return [(pair, holders[networks[-1]]) for pair, networks in flattened(tuple(holders))]


def allowed(peer: WireguardPeerFact, family: int) -> Iterator[Prefix]:
    """A peer's prefixes."""
    for text in peer.allowed or ():
        try:
            found = prefix(text)
        except ValueError:
            continue
        if found.family == family:
            yield found


def to_peer(context: Context, at: Interface, peer: WireguardPeerFact) -> Transfer:
    """To a peer's endpoint, with the device's mark."""
    if peer.endpoint is None:
        return End(Unknown(f"where the peer {peer.public_key} of {at} is, is not known"), peer.at)
    if not found_there(context, peer):
        return End(Unknown(f"where the peer {peer.public_key} of {at} was heard last is not known"), peer.at)
    own = context.space(at.scope).wireguard.get(at.device)
    if own is not None and own.mark:
        return End(Unknown(f"the way of what {at} sends with a mark is not followed"), peer.at)
    name = label(own.public_key or "" if own is not None else "", peer.public_key)
    return outer(context, at, name, UDP, peer.port or 0, None, peer.endpoint, peer.at)


def found_there(context: Context, peer: WireguardPeerFact) -> bool:
    """Whether a peer's endpoint is that of its device, as far as its key is known; else it is where the device was heard last."""

    def made() -> dict[str, Interface]:
        spaces = context.network.namespaces.items()
        every = ((fact.public_key, Interface(scope, name)) for scope, space in spaces for name, fact in space.wireguard.items())
        return {key: one for key, one in every if key is not None}

    device = context.once("devices of WireGuard by key", made).get(peer.public_key)
    if device is None or peer.endpoint is None:
        return True
    scope = context.network.sockets.get(device, device.scope)
    here = any(owner.scope == scope for owner in context.network.owners.get(peer.endpoint, ()))
    return here and listening(context, device) in (None, peer.port)


def label(sender: str, receiver: str) -> str:
    """What a packet in WireGuard is known by: the keys of both devices, that of the sender where it is known."""
    return f"wireguard {sender} {receiver}"


def labels(context: Context, at: Interface) -> Iterator[str]:
    """The packets that a device may take."""
    peers, own = peers_of(context, at) or (), context.space(at.scope).wireguard.get(at.device)
    spaces = context.network.namespaces.values()
    named = {fact.public_key for space in spaces for fact in space.wireguard_peers}
    receivers = {own.public_key} if own is not None and own.public_key is not None else named
    for receiver in sorted(receivers):
        for sender in ("", *(fact.public_key for fact in peers)):
            yield label(sender, receiver)


def taken_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """``wg_packet_consume_data_done``: the source of what a device takes out must be allowed to the peer that sent it."""
    at = Interface(scope, detail)
    peers = peers_of(context, at)
    if peers is None:
        return End(Unknown(f"which addresses the peers of {at} are allowed was not captured"))
    known = by_address(peers, context.family)
    lost = drop(f"{at} does not allow the source to the peer that sent it")
    whoever = End(Unknown(f"which peer of {at} sends is not known: the public key of the device that does was not captured"))
    own = context.space(scope).wireguard.get(detail)
    if own is None or own.public_key is None:
        context.assume(f"the keys of {at} and its peers fit")

    def allowing(sender: str) -> Transfer:
        sources: Ranges = normalised(pair for pair, peer in known if sender in ("", peer.public_key))
        return If(In(Field.SOURCE, sources), KEEP if sender else whoever, lost)

    rows = {context.names.number(name): allowing(name.split(" ")[1]) for name in labels(context, at)}
    return seq(by_value(Field.IN_INTERFACE, rows, lost), Assign(Field.IN_INTERFACE, 0), goto(scope, "receive", detail))
