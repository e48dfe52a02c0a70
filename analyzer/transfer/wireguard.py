"""WireGuard in the language: the peer that may have a packet's destination, and the port that a device hears (drivers/net/wireguard)."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.addresses import Prefix, prefix
from analyzer.facts.links import WireguardPeerFact
from analyzer.model.network import Interface
from analyzer.transfer import tunnel as tunnels
from analyzer.transfer.ir import Drop, End, Field, Transfer, Unknown
from analyzer.transfer.space import Context, dispatch, drop, flattened

UDP = 17


def wireguard(context: Context, at: Interface) -> Transfer:
    """drivers/net/wireguard/allowedips.c: the peer with the longest prefix that holds the destination."""
    peers = [fact for fact in context.space(at.scope).wireguard_peers if fact.device == at.device]
    if not peers:
        return End(Unknown(f"the peers of the WireGuard device {at} are not in the capture"))
    holders = {network: peer for peer in peers for network in allowed(peer, context.family)}
    rows = [(pair, to_peer(context, at, holders[networks[-1]])) for pair, networks in flattened(tuple(holders))]
    return dispatch(Field.DESTINATION, rows, drop(f"no peer of {at} may have the destination (AllowedIPs)"))


def allowed(peer: WireguardPeerFact, family: int) -> Iterator[Prefix]:
    """A peer's prefixes."""
    for text in peer.allowed:
        try:
            found = prefix(text)
        except ValueError:
            continue
        if found.family == family:
            yield found


def to_peer(context: Context, at: Interface, peer: WireguardPeerFact) -> Transfer:
    """To a peer's endpoint."""
    if peer.endpoint is None:
        return End(Drop(f"the peer {peer.public_key} of {at} has no endpoint"), peer.at)
    return tunnels.outer(context, at, "wireguard", UDP, peer.port or 0, None, peer.endpoint, peer.at)


def listening(context: Context, at: Interface) -> int | None:
    """The port of a WireGuard device, as its peers know it."""
    own = {address for address, owners in context.network.owners.items() if any(owner.scope == at.scope for owner in owners)}
    spaces = context.network.namespaces.values()
    return next((fact.port for space in spaces for fact in space.wireguard_peers if fact.endpoint in own and fact.port), None)
