"""What a tunnel device does not send at all: from an address that its host does not have, what would not fit on the way, and some questions.

After ``ip_route_output_key_hash_rcu`` (net/ipv4/route.c), ``skb_tunnel_check_pmtu`` (net/ipv4/ip_tunnel_core.c) and ``vxlan_xmit`` (drivers/net/vxlan/vxlan_core.c).
"""

from __future__ import annotations

from analyzer.addresses import Address
from analyzer.facts.links import Bridge, Vxlan
from analyzer.model.network import Interface
from analyzer.solve.packet import Packet
from analyzer.solve.walk import delivery, internet, leaving, links
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.state import HEADER, Endings, Frame, Oversized, Question, Walk
from analyzer.source import Scope

LEAST = {4: 576, 6: 1280}
"""With less than that nobody is told of a path's MTU (``iptunnel_pmtud_check_icmp``, ``iptunnel_pmtud_check_icmpv6``)."""


def foreign(walk: Walk, at: Interface, scope: Scope, outer: Packet) -> Endings | None:
    """IPv4 sends nothing from an address that is not the host's own (``__ip_dev_find``); IPv6 does not ask."""
    space = walk.space(scope)
    if outer.family == 6 or not outer.source or delivery.held(space, outer.source):
        return None
    link = walk.index.link(at)
    reason = f"{at} sends from {Address(4, outer.source)}, which no interface of {space.place} has"
    if (words := space.namespace.missing.get("ip-addr")) is not None:
        return walk.undecided(
            f"whether {reason} is not known: {words}", link.at if link else None, f"ip_-d_addr of {space.place}"
        )
    return walk.drop(at.scope, reason, link.at if link else None)


def too_long(walk: Walk, at: Interface, scope: Scope, frame: Frame, outer: Packet) -> Endings | None:
    """A tunnel device that is a port of a bridge answers what would not fit into the outer packet's path with an ICMP error, in the name of the
    packet's destination, and does not send it, even where the outer packet could be cut into fragments."""
    inner, space = links.packet_of(frame), walk.space(scope)
    whole = inner is not None and inner.size is not None and (inner.family == 6 or not inner.fragments)
    if not whole or inner is None or inner.size is None or not is_port(walk.space(at.scope), at.device):
        return None
    found = internet.routed(walk, space, outer)
    if isinstance(found, list):
        return None
    route = found[0]
    limit, _ = leaving.path_limit(walk, space, route.device, route, outer, True)
    around = (outer.size or 0) - inner.size - HEADER[inner.family] + HEADER[outer.family]
    room = None if limit is None else limit - around
    if room is None or inner.size + HEADER[inner.family] <= room or room < LEAST[inner.family]:
        return None
    reason = f"{at} has room for packets of {room} bytes, and this one has {inner.size + HEADER[inner.family]}"
    walk.oversized = Oversized(at.scope, inner, room, reason, True, True)
    link = walk.index.link(at)
    return walk.drop(at.scope, reason, link.at if link else None)


def is_port(space: Space, device: str) -> bool:
    """Whether a device is a port of a bridge or of Open vSwitch (``netif_is_any_bridge_port``)."""
    master, link = space.links.get(space.master_of(device) or ""), space.links.get(device)
    return (master is not None and isinstance(master.kind, Bridge)) or (link is not None and link.master_kind == "openvswitch")


def unasked(walk: Walk, space: Space, at: Interface, kind: Vxlan, frame: Frame) -> Endings | None:
    """A VXLAN device with ``proxy`` carries no questions for neighbours: it answers by the host's entries for the device (``arp_reduce``, ``neigh_reduce``)."""
    if not kind.proxy or not isinstance(frame.load, Question) or frame.load.answer:
        return None
    link, namespace = space.links[at.device], space.namespace
    if "ip-neigh" in namespace.missing or any(fact.device == at.device for fact in namespace.neighbours):
        settle = f"ip neigh show dev {at.device} of {space.place}"
        return walk.undecided(f"{at} answers questions by its neighbours (proxy)", link.at, settle)
    return walk.drop(at.scope, f"{at} carries no questions for neighbours (proxy), and has none to answer by", link.at)
