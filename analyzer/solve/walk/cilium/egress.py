"""What leaves the cluster by an egress gateway of Cilium (bpf/lib/egress_gateway.h ``egress_gw_request_needs_redirect``): told where it is lost, and else open."""

from __future__ import annotations

from analyzer.addresses import Address
from analyzer.facts.cilium import OF_CIDRS, WORLD, WORLDS, EgressEntryFact
from analyzer.solve.packet import Packet
from analyzer.solve.walk.cilium.maps import CiliumMaps
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.state import Endings, Walk

OUTSIDE = (WORLD, *WORLDS.values())


def redirected(walk: Walk, space: Space, maps: CiliumMaps, packet: Packet) -> Endings | None:
    """A request of an endpoint to an address outside the cluster that has a gateway; None: it goes its way."""
    entry = entry_of(walk, space, maps, packet)
    if isinstance(entry, list):
        return entry
    if entry is None or entry.excluded:
        return None
    target = Address(packet.family, packet.destination)
    if entry.gateway is None:
        return walk.drop(space.scope, f"{space.place}: Cilium drops the packet (No egress gateway found): {target}", entry.at)
    words = f"what the egress gateway {entry.gateway} does with what {space.place} sends to {target} is not walked"
    return walk.undecided(words, entry.at)


def entry_of(walk: Walk, space: Space, maps: CiliumMaps, packet: Packet) -> EgressEntryFact | Endings | None:
    """The entry with the longest prefix, where the destination is outside the cluster."""
    target, source = Address(packet.family, packet.destination), Address(packet.family, packet.source)
    fact = maps.whose(target)
    if fact is not None and fact.identity and fact.identity not in OUTSIDE and fact.identity < OF_CIDRS:
        return None
    for gap in space.namespace.gaps.get("cilium-egress", ()):
        if not walk.oracle.test(
            f"the line of {space.place} that was not understood ({gap.reason}) is about others", gap.at, gap.reason
        ):
            return walk.undecided(f"{gap.at} was not understood: {gap.reason}", gap.at, gap.reason)
    mine = [one for one in maps.state.egress if one.source == source and one.target.covers(target)]
    return max(mine, key=lambda one: one.target.length, default=None)
