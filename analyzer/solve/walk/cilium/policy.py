"""Policy in Cilium's programs: what the policy map of an endpoint says of a packet (bpf/lib/policy.h ``policy_can_access``)."""

from __future__ import annotations

from analyzer.addresses import Address
from analyzer.solve.packet import UDP, Packet
from analyzer.solve.walk.cilium.doubts import foreign
from analyzer.solve.walk.cilium.maps import CiliumMaps
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.state import Endings, Walk
from analyzer.source import Span


def peer_of(maps: CiliumMaps, family: int, value: int) -> int:
    """The identity of an address: of the world where the ipcache has none."""
    fact = maps.whose(Address(family, value))
    return fact.identity if fact is not None and fact.identity else maps.state.world(family)


def policed(
    walk: Walk, space: Space, maps: CiliumMaps, endpoint: int, ingress: bool, peer: int, packet: Packet
) -> Endings | None:
    """The endings of a packet that the policy map of an endpoint does not let pass; None: it passes."""
    state = maps.state
    if (lost := foreign(walk, space, maps, packet)) is not None:
        return lost
    if not ingress and state.setup.tunnel and packet.protocol == UDP and packet.destination_port == state.port:
        words = f"{space.place}: Cilium drops the packet (Encapsulation traffic is prohibited): endpoint {endpoint} sends to the tunnel's port"
        return walk.drop(space.scope, words, space.address_at(state.tunnel_device))
    way, said = ("ingress", "from") if ingress else ("egress", "to")
    found = maps.verdict(endpoint, ingress, peer, packet)
    if found is None:
        return unpoliced(walk, space, maps, endpoint, way)
    if (line := maps.unread(endpoint, ingress)) is not None:
        text = f"the entry at {line} is not understood, and not about the packet"
        if not walk.oracle.test(text, line, "cilium_bpf_policy_get_--all_--numeric"):
            return walk.undecided(f"it is not known whether {text}", line, "cilium_bpf_policy_get_--all_--numeric")
    if not found.allowed and not state.setup.audit:
        place = found.entry.at if found.entry is not None else state.policies[endpoint].at
        kind = "Policy denied by denylist" if found.entry is not None else "Policy denied"
        words = f"{space.place}: Cilium drops the packet ({kind}): {way} of endpoint {endpoint} {said} identity {peer}"
        return walk.drop(space.scope, words, place)
    if found.entry is not None:
        walk.tell(space.scope, "cilium", f"{way} policy of endpoint {endpoint} admits identity {peer}", found.entry.at, packet)
        return proxied(walk, space, found.entry.proxy, found.entry.authenticated, found.entry.at)
    return None


def unpoliced(walk: Walk, space: Space, maps: CiliumMaps, endpoint: int, way: str) -> Endings | None:
    """A policy map that was not captured: the agent's list may say that nothing is enforced."""
    fact = maps.state.endpoints.get(endpoint)
    enforced = None if fact is None else fact.ingress if way == "ingress" else fact.egress
    if enforced is False or maps.state.setup.audit:
        walk.assume(
            f"the policy map of endpoint {endpoint} of {space.place} lets everything pass ({way}), as its agent says that no policy is enforced"
        )
        return None
    missing = maps.state.missing.get(
        "cilium-policy", f"{maps.state.settles}/cilium_bpf_policy_get_--all has none of endpoint {endpoint}"
    )
    text = f"the policy map of endpoint {endpoint} of {space.place} lets the packet pass ({way}; {missing})"
    if walk.oracle.test(text, None, missing):
        return None
    return walk.undecided(f"it is not known whether {text}", None, missing)


def proxied(walk: Walk, space: Space, proxy: int, authenticated: bool, at: Span) -> Endings | None:
    """An entry that sends packets to the node's proxy, or wants peers to have authenticated themselves, is an open question."""
    for needed, text in (
        (proxy, f"the proxy of {space.place} at port {proxy} passes the packet on unchanged"),
        (authenticated, f"the peers have authenticated themselves to Cilium of {space.place}"),
    ):
        if needed and not walk.oracle.test(text, at, text):
            return walk.undecided(f"it is not known whether {text}", at, text)
    return None
