"""How Cilium hands a packet to an endpoint of the node, in the language (bpf/lib/local_delivery.h ``redirect_ep``)."""

from __future__ import annotations

from analyzer.facts.cilium import EndpointEntryFact
from analyzer.model.network import Interface
from analyzer.transfer.cilium.maps import View
from analyzer.transfer.ir import KEEP, Assign, Drop, End, Field, Transfer, Unknown
from analyzer.transfer.sizes import taken
from analyzer.transfer.space import goto, seq
from analyzer.transfer.stacked import forgotten


def handed(found: View, entry: EndpointEntryFact) -> Transfer:
    """Out of the endpoint's device, to its MAC."""
    context, scope = found.context, found.scope
    device = found.device(entry.identifier)
    link = context.space(scope).links.get(device)
    if link is None:
        return End(Drop(f"{scope}: the device of endpoint {entry.identifier} is not there"), entry.at)
    at = Interface(scope, device)
    peer = context.network.peers.get(at)
    if not link.up:
        return End(Drop(f"{at} is down"), link.at)
    if peer is None:
        return End(Unknown(f"the network namespace behind {at} was not captured"), link.at)
    other = context.link(peer)
    if other is not None and not other.up:
        return End(Drop(f"{peer}, the other end of {at}, is down"), other.at)
    return seq(
        taken(other, str(peer)) if other is not None else KEEP,
        Assign(Field.SOURCE_MAC, entry.node_mac or link.mac or 0),
        Assign(Field.DESTINATION_MAC, entry.mac or 0),
        Assign(Field.MARK, 0),
        forgotten(),
        goto(peer.scope, "receive", peer.device),
    )
