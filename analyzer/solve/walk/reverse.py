"""Whether a packet came the way that its source is reached by, and what netfilter asks of a namespace's addresses and routes.

After ``fib_validate_source`` (net/ipv4/fib_frontend.c), ``rpfilter_lookup_reverse`` (net/ipv4/netfilter/ipt_rpfilter.c) and
``inet_addr_type_dev_table``.
"""

from __future__ import annotations

from analyzer.addresses import WIDTH, Address
from analyzer.facts.matches import ReversePathMatch
from analyzer.facts.routes import LOCAL, MAIN, NextHop, RouteFact
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.netfilter.hooks import HookPacket, Surroundings
from analyzer.solve.walk.route_answers import NotKnown, Query, Refused, Route
from analyzer.solve.walk.route_lookup import look_up, plain, usable
from analyzer.solve.walk.sources import first_address, select_four, select_six
from analyzer.solve.walk.state import Endings, Walk


def refuse(walk: Walk, space: Space, device: str, at: HookPacket, route: Route) -> Endings | None:
    """The endings when the source may not come in by the device; None: it may."""
    out_device = "" if route.kind != "unicast" else route.ways[0].device or ""
    packet = at.packet
    mark = packet.mark and vmark(space, device, packet.mark)
    return refuse_source(
        walk, space, device, Query(4, packet.source, packet.destination, mark, out_device or "lo", service=packet.service)
    )


def refuse_source(walk: Walk, space: Space, device: str, query: Query) -> Endings | None:
    """``fib_validate_source``: ``query`` is the way back, with the mark of the packet where that takes part."""
    source, strictness = query.destination, space.greater(4, device, "rp_filter")
    if not strictness and not told(space, device) and would_refuse(walk, space, device, query):
        words = f"{space.place}: rp_filter of {device} lets {Address(4, source)} come in, which is reached another way"
        if not walk.oracle.test(words, None, f"net.ipv4.conf.{device}.rp_filter"):
            return walk.undecided(
                f"{space.place}: rp_filter of {device} may refuse {Address(4, source)}", None, f"net.ipv4.conf.{device}.rp_filter"
            )
    if not strictness and not full_check(space):
        address = Address(4, source)
        fact = space.own.get(address)  # ``inet_lookup_ifaddr_rcu``
        if fact is not None and not space.either(4, device, "accept_local"):
            text = f"{space.place}: the source {address} is an address of its own and comes in on {device}"
            return walk.drop(space.scope, text, fact.at)
        return None
    return looked_back(walk, space, device, query, strictness)


def told(space: Space, device: str) -> bool:
    """Whether the capture says what rp_filter is on a device."""
    return space.setting(4, device, "rp_filter") is not None


def would_refuse(walk: Walk, space: Space, device: str, query: Query) -> bool:
    """Whether a strict rp_filter would refuse a source that routes lead to by another device."""
    found = look_up(walk, space, query)
    return isinstance(found, Refused) or (isinstance(found, Route) and found.kind == "unicast" and not uses(space, found, device))


def vmark(space: Space, device: str, mark: int) -> int:
    """``src_valid_mark``: whether the mark takes part."""
    return mark if space.either(4, device, "src_valid_mark") else 0


def full_check(space: Space) -> bool:
    """Whether the namespace has rules or local routes of its own: the source is then always looked up."""
    return space.own_rules or space.own_locals


def looked_back(walk: Walk, space: Space, device: str, query: Query, strictness: int) -> Endings | None:
    """``__fib_validate_source``."""
    source = Address(4, query.destination)
    key = f"net.ipv4.conf.{'all' if space.whole(4, 'rp_filter') >= strictness else device.replace('.', '/')}.rp_filter"
    found = look_up(walk, space, query)
    if isinstance(found, NotKnown):
        return walk.undecided(found.reason, found.at, found.settle)
    if isinstance(found, Refused):
        if strictness:
            text = f"{space.place}: rp_filter refuses {source}, to which there is no route"
            return walk.drop(space.scope, text, space.where(key))
        return None
    local_allowed = found.kind == "local" and space.either(4, device, "accept_local")
    if found.kind != "unicast" and not local_allowed and not (found.kind == "local" and device == "lo"):
        text = f"{space.place}: the source {source} may not come in on {device}: it is {found.kind} here"
        return walk.drop(space.scope, text, found.fact.at)
    if uses(space, found, device) or not strictness:
        return None
    if strictness == 2 and space.addresses.get(device):
        return None
    text = f"{space.place}: rp_filter refuses {source} on {device}, since it is reached by {found.ways[0].device}"
    return walk.drop(space.scope, text, space.where(key) or found.fact.at)


def uses(space: Space, route: Route, device: str) -> bool:
    """``fib_info_nh_uses_dev``: whether a way of the route leaves by the device, or by its VRF."""
    vrf = space.vrf_of(device)
    return any(way.device == device or (vrf is not None and way.device == vrf[0]) for way in route.fact.next_hops)


def surroundings(walk: Walk, space: Space, family: int) -> Surroundings:
    """What netfilter asks of the namespace."""
    key = (space.scope, family)
    found = walk.surroundings.get(key)
    if found is None:
        found = walk.surroundings[key] = Surroundings(
            address_type=lambda value, device: address_type(walk, space, family, value, device),
            source_for=lambda device, next_hop: masquerade_source(space, family, device, next_hop),
            first_address=lambda device: first_address(space, device, family),
            reverse_path=lambda match, packet: passes(walk, space, match, packet),
            captured_mac=lambda mac: walk.index.times(mac) > 0,
        )
    return found


def masquerade_source(space: Space, family: int, device: str, next_hop: int) -> int | None:
    """``nf_nat_masquerade_ipv4``: an address of universe scope of the device for the next hop; for IPv6 ``ipv6_dev_get_saddr``."""
    return select_four(space, device, next_hop, 0) if family == 4 else select_six(space, device, next_hop)


def address_type(walk: Walk, space: Space, family: int, value: int, device: str | None) -> str:
    """``inet_addr_type_dev_table``: what the local table says of an address; with a device, only that device's addresses are LOCAL.

    IPv6 asks the whole routing (``xt_addrtype.c`` match_lookup_rt6).
    """
    if family == 4 and value in (0, 0xFFFFFFFF):
        return "BROADCAST"
    if value >> 28 == 14 if family == 4 else value >> 120 == 0xFF:
        return "MULTICAST"
    for length, by_bits in space.table(family, LOCAL):
        for fact in by_bits.get(value >> ((32 if family == 4 else 128) - length), ()):
            if device is None or any(way.device == device for way in fact.next_hops):
                return fact.kind.upper()
    if family == 4:
        return "UNICAST"
    found = look_up(walk, space, Query(family, value))
    if isinstance(found, Refused):
        return "UNREACHABLE"
    return found.kind.upper() if isinstance(found, Route) else "UNICAST"


def passes(walk: Walk, space: Space, match: ReversePathMatch, at: HookPacket) -> bool:
    """Whether the source's way back is the one that it came by (``rpfilter``); the match looks at ``invert``."""
    packet = at.packet
    if at.in_device == "lo" or packet.source == 0:
        return True
    query = Query(
        packet.family, packet.source, packet.destination, packet.mark if match.valid_mark else 0, service=packet.service
    )
    if packet.family == 4 and without_source(packet.destination):
        query = query._replace(source=0)
    if packet.family == 6:
        asker = packet.destination if packet.destination >> 120 != 0xFF else 0
        query = query._replace(source=asker, protocol=packet.protocol)
    found = look_up(walk, space, query)
    if isinstance(found, NotKnown):
        text = f"{space.place}: the way back to {Address(packet.family, packet.source)} is as rpfilter asks"
        return walk.oracle.test(text, found.at, found.settle)
    if packet.family == 6:
        return passes_six(space, match, query, at.in_device, found)
    if not isinstance(found, Route):
        return False
    if found.kind != "unicast" and not (found.kind == "local" and match.accept_local):
        return False
    return match.loose or uses(space, found, at.in_device)


def without_source(destination: int) -> bool:
    """``rpfilter_get_saddr``: destinations that are nobody's own stand for no source."""
    return destination >> 28 == 14 or destination == 0xFFFFFFFF or destination >> 24 == 0


def passes_six(space: Space, match: ReversePathMatch, query: Query, device: str, found: Route | Refused) -> bool:
    """``rpfilter_lookup_reverse6`` (net/ipv6/netfilter/ip6t_rpfilter.c): of the routes to the narrowest network that holds the source, whatever
    their metric, the first by the device counts, else the first (``rt6_device_match``); none to a wider one is looked at."""
    facts = alike(space, found.fact) if isinstance(found, Route) else nearest(space, query) if plain(space, 6) else ()
    ways = [(fact, way.device) for fact in facts for way in usable(space, fact, query) or fact.next_hops[:1] or (NextHop(),)]
    if not match.loose:
        ways = [one for one in ways if one[1] == device] or ways
    if not ways:
        return False
    fact, by = ways[0]
    if fact.kind == "local":
        return match.accept_local
    vrf = space.vrf_of(device)
    return fact.kind == "unicast" and (match.loose or by == device or (vrf is not None and by == vrf[0]))


def alike(space: Space, fact: RouteFact) -> tuple[RouteFact, ...]:
    """The routes of a route's table to the same network."""
    table = fact.table if isinstance(fact.table, int) else MAIN
    found = tuple(one for one in space.namespace.routes.get(6, {}).get(table, ()) if one.destination == fact.destination)
    return tuple(sorted(found, key=lambda one: (one.metric, one.order))) or (fact,)


def nearest(space: Space, query: Query) -> tuple[RouteFact, ...]:
    """The routes to the narrowest network that holds an address which is refused: those of the first table that has any."""
    for table in (LOCAL, MAIN):
        for length, by_bits in space.table(6, table):
            if facts := by_bits.get(query.destination >> (WIDTH[6] - length), ()):
                return facts
    return ()
