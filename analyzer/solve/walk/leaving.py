"""Whether a packet fits into what it leaves by, whether it may leave at all, and the TTL that a host's own packets start with.

After ``__mkroute_output`` (net/ipv4/route.c), ``ip_finish_output``, ``ip_exceeds_mtu`` and ``ip_select_ttl`` (net/ipv4/ip_output.c, ip_forward.c) and ``ip6_dst_hoplimit`` (net/ipv6/output_core.c).
"""

from __future__ import annotations

from analyzer.addresses import Address
from analyzer.facts.links import Vrf
from analyzer.model.first_ttl import enough, short
from analyzer.model.path_mtu import PathMtu, assumption, learnt
from analyzer.solve.packet import Packet
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.route_answers import Route
from analyzer.solve.walk.state import HEADER, Endings, Oversized, Walk


def begun(space: Space, packet: Packet, route: Route) -> Packet:
    """The packet with the TTL that it starts with."""
    ttl = route.fact.hop_limit or space.first_ttl(packet.family, route.device)
    return packet if ttl == packet.ttl else packet.with_ttl(ttl)


def kept_in(space: Space, packet: Packet, route: Route) -> str | None:
    """Why a packet with a source of the loopback network may not be sent by a device (``__mkroute_output``); it may by ``lo`` and by a VRF's."""
    link = space.links.get(route.device)
    inner = link is None or "LOOPBACK" in link.flags or isinstance(link.kind, Vrf)
    if packet.family == 6 or packet.source >> 24 != 127 or inner or space.either(4, route.device, "route_localnet"):
        return None
    return f"{space.place} sends nothing from {Address(4, packet.source)} by {route.device} (route_localnet is 0)"


def too_short(walk: Walk, space: Space, family: int) -> Endings | None:
    """Of a tunnel's packet it is open whether it has enough of its TTL, where the namespace starts packets with a small one."""
    if not short(space.namespace, family):
        return None
    words = enough(space.namespace)
    return None if walk.oracle.test(words) else walk.undecided(f"it is not known whether {words}", None, "")


def limit_of(space: Space, device: str, route: Route) -> int | None:
    """The route's MTU, else the device's."""
    link = space.links.get(device)
    return route.fact.mtu or (link.mtu if link else None)


def path_limit(
    walk: Walk, space: Space, device: str, route: Route, packet: Packet, own: bool
) -> tuple[int | None, PathMtu | None]:
    """What a path carries: by the route and the device, or what was learnt of it where that is less."""
    limit = limit_of(space, device, route)
    path = learnt(space.namespace, device, packet.family, own).get(packet.destination)
    if path is None or (limit is not None and path.limit >= limit):
        return limit, None
    walk.assume(assumption(space.namespace, str(Address(packet.family, packet.destination)), path.limit))
    return path.limit, path


def fitted(walk: Walk, space: Space, device: str, route: Route, packet: Packet, own: bool) -> Packet | Endings:
    """The packet, or the longest of its fragments. With Don't Fragment, and for IPv6 on its way, "fragmentation needed" goes back instead."""
    if packet.size is None:
        return packet
    limit, path = path_limit(walk, space, device, route, packet, own)
    if limit is None or packet.size + HEADER[packet.family] <= limit:
        return packet
    if packet.fragments and (own or packet.family == 4):
        walk.tell(space.scope, "send", f"the packet is cut into fragments of at most {limit} bytes", route.fact.at, packet)
        return packet._replace(size=limit - HEADER[packet.family])
    size = packet.size + HEADER[packet.family]
    link = space.links.get(device)
    place = path.at if path else route.fact.at if route.fact.mtu else link.at if link else None
    reason = f"{space.place}: the packet of {size} bytes must not be fragmented and {device} carries {limit}"
    walk.oversized = Oversized(space.scope, packet, limit, reason, own, True)
    return walk.drop(space.scope, reason, place)
