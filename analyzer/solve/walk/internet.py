"""The IP layer of a namespace: sending, receiving, forwarding.

After net/ipv4/{ip_input,ip_forward,ip_output,route,fib_frontend}.c, ``ip_route_me_harder`` (net/ipv4/netfilter.c) and
net/ipv6/{ip6_input,ip6_output,route}.c. Every function gives the endings of the packet, walked to the end.
"""

from __future__ import annotations

from analyzer.addresses import Address
from analyzer.model.network import Interface
from analyzer.solve.packet import TCP, UDP, Packet
from analyzer.solve.walk import ipvs, resolution, reverse, unserved
from analyzer.solve.walk.cilium import uplink as cilium_uplink
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.leaving import begun, fitted, kept_in
from analyzer.solve.walk.netfilter.hooks import Hook, HookPacket, Judgement, run_hook
from analyzer.solve.walk.route_answers import Answer, NotKnown, Refused, Route
from analyzer.solve.walk.route_lookup import chosen, route_of
from analyzer.solve.walk.sources import select_six, source_of
from analyzer.solve.walk.state import Delivered, Dropped, Endings, Walk
from analyzer.source import Scope, Span

ACCEPTED = Judgement.ACCEPTED
CONNECTING = (TCP, UDP)
LINK_LOCAL = 0xFE80 >> 6


def prepared(walk: Walk, space: Space, packet: Packet) -> Packet | Endings:
    """The packet with the source that the kernel chooses for it, where it has none. In IPv6 it keeps the route that was found without one; in IPv4
    what connects is routed again with its source, which may lead another of several ways (``ip_route_connect`` of include/net/route.h)."""
    if packet.source:
        return packet
    found = unsourced(walk, space, packet)
    if isinstance(found, list):
        return found
    route, ready = found
    if packet.family == 6:
        keep(walk, space, ready, route)
    elif route is not None and packet.protocol in CONNECTING and route.fact.source is None:
        walk.ways.pop((space.scope, packet.destination, route.fact.at, walk.reply), None)
    return ready


def keep(walk: Walk, space: Space, packet: Packet, route: Answer | None) -> None:
    """Remembers the route of a packet that was routed before it had its source: it is not routed again, nor are the packets that follow it
    (``sk_dst_get``). None: it is routed with its source."""
    if route is not None:
        walk.kept[space.scope, *flow_of(packet)] = route


def routed_unbound(walk: Walk, space: Space, packet: Packet) -> Endings | None:
    """Keeps the route by which the kernel chooses the packet's source; the endings where it chooses none."""
    found = unsourced(walk, space, packet.from_source(0, packet.source_port))
    if isinstance(found, list):
        return found
    if found[1] == packet:
        keep(walk, space, packet, found[0])
    return None


def flow_of(packet: Packet) -> tuple[int, ...]:
    """What the packets of a flow have in common."""
    return packet.source, packet.destination, packet.protocol, packet.source_port, packet.destination_port


def unsourced(walk: Walk, space: Space, packet: Packet) -> tuple[Route | None, Packet] | Endings:
    """The route of a packet without a source, and the packet with the source that it chooses. IPv6 makes nothing of a refusal: it takes any of
    its addresses and looks again (None; ``ip6_dst_lookup_tail``)."""
    found = route_out(walk, space, packet)
    if isinstance(found, Route):
        source = source_of(space, found, packet.destination)
        device = found.ways[0].device
    else:
        refused = packet.family == 6 and all(isinstance(one, Dropped) for one in found)
        source, device = select_six(space, "", packet.destination) if refused else None, None
        if source is None:
            return found
    if source is None:
        target = Address(packet.family, packet.destination)
        reason = f"{space.place} has no address to send to {target} from (dev {device})"
        if (words := space.namespace.missing.get("ip-addr")) is not None:
            return walk.undecided(f"whether {reason} is not known: {words}", None, f"ip_-d_addr of {space.place}")
        return walk.drop(space.scope, reason, found.fact.at if isinstance(found, Route) else None)
    return (found if isinstance(found, Route) else None), packet.from_source(source, packet.source_port)


def route_out(walk: Walk, space: Space, packet: Packet) -> Route | Endings:
    """The route of a packet that the namespace itself sends."""
    return taken(walk, space, packet, route_of(walk, space, packet))


def taken(walk: Walk, space: Space, packet: Packet, found: Answer) -> Route | Endings:
    """What a packet's lookup leads to."""
    match found:
        case Route():
            route = choose(walk, space, found, packet)
            refused = kept_in(space, packet, route)
            return route if refused is None else walk.drop(space.scope, refused, route.fact.at)
        case NotKnown(reason, at, settle):
            return walk.undecided(reason, at, settle)
        case Refused():
            return unserved.no_route(walk, space, packet, found)


def choose(walk: Walk, space: Space, found: Route, packet: Packet) -> Route:
    """The way of the route: chosen once for each destination of a walk and direction, as the kernel's hash does."""
    if len(found.ways) == 1:
        return found
    key = (space.scope, packet.destination, found.fact.at, walk.reply)
    way = walk.ways.get(key)
    if way is None:
        way = walk.ways[key] = chosen(walk, space, found, Address(packet.family, packet.destination))
    return Route(found.fact, (way,), found.rule)


def originate(walk: Walk, scope: Scope, packet: Packet, carries: bool = False) -> Endings:
    """A process, or the kernel, of the namespace sends a packet. ``carries``: it is a tunnel's, of which the TTL is not followed."""
    space = walk.space(scope)
    key = (scope, "", walk.reply, packet)
    if key in walk.seen:
        return loops(walk, space)
    walk.seen.add(key)
    endings = sent(walk, space, packet, carries=carries)
    walk.seen.discard(key)
    return endings


def sent(walk: Walk, space: Space, packet: Packet, quoted: Packet | None = None, carries: bool = False) -> Endings:
    """Source, route, OUTPUT, and where that changed the packet, the route again. What has no source yet is routed once only, as the kernel's
    tunnels do (``udp_tunnel_dst_lookup``, ``ip_tunnel_xmit``)."""
    scope = space.scope
    if (doubt := cilium_uplink.connecting(walk, space, packet)) is not None:
        return doubt
    found = routed(walk, space, packet)
    if isinstance(found, list):
        return found
    route, ready = found
    if not carries:
        ready = begun(space, ready, route)
    walk.tell(scope, "send", str(ready), None, ready)
    told(walk, space, route, ready)
    at = HookPacket(ready, out_device=route.device, local=True, quoted=quoted)
    passed = run(walk, space, Hook.OUTPUT, at)
    if not isinstance(passed, HookPacket):
        return passed
    if passed.routed_as is not None:
        again = route_out(walk, space, passed.routed_as)
        if not isinstance(again, Route):
            return again
        route = again
        told(walk, space, route, passed.packet)
        passed = passed._replace(out_device=route.device)
    return output(walk, space, passed, route)


def routed(walk: Walk, space: Space, packet: Packet) -> tuple[Route, Packet] | Endings:
    """The route of a packet that is sent, and the packet with its source."""
    kept = walk.kept.get((space.scope, *flow_of(packet))) if walk.kept else None
    if not packet.source:
        first = unsourced(walk, space, packet)
        if isinstance(first, list):
            return first
        kept, packet = first
    route = (
        kept if isinstance(kept, Route) else taken(walk, space, packet, route_of(walk, space, packet) if kept is None else kept)
    )
    return (route, packet) if isinstance(route, Route) else route


def told(walk: Walk, space: Space, route: Route, packet: Packet) -> None:
    """Adds the hops of a routing decision: the rule where it is no default one, and the route."""
    rule = route.rule
    if rule.priority not in (0, 32766, 32767):
        walk.tell(space.scope, "rule", f"routing rule {rule.priority} looks up table {route.fact.table}", rule.at, packet)
    walk.tell(space.scope, "route", route.words, route.fact.at, packet)


def run(walk: Walk, space: Space, hook: Hook, at: HookPacket) -> HookPacket | Endings:
    """One netfilter hook: the packet that goes on, or the endings."""
    family = at.packet.family
    tables = space.hooks(family)
    if tables.idle:
        if tables.assumptions:
            walk.assume_all(tables.assumptions)
        return at
    around, first = reverse.surroundings(walk, space, family), 0
    while True:
        result = run_hook(tables, hook, at, around, walk.connections_of(space.scope), walk.oracle, first)
        if result.hops:
            walk.tell_all(result.hops)
        if result.assumptions:
            walk.assume_all(result.assumptions)
        if result.judgement is not Judgement.BALANCING:
            break
        passed = ipvs.looked_at(walk, space, hook, result)
        if not isinstance(passed, HookPacket):
            return passed
        at, first = passed, result.resume
    if result.judgement is ACCEPTED:
        return result.packet if at.quoted is None else requoted(result.packet, at.packet)
    if result.judgement is Judgement.UNKNOWN:
        return walk.undecided(result.reason, result.at, result.settle)
    return walk.drop(space.scope, f"{space.place}: {result.reason}", result.at)


def requoted(at: HookPacket, before: Packet) -> HookPacket:
    """An ICMP error after a hook: what it quotes is translated with it (``nf_nat_icmp_reply_translation``)."""
    connection = at.tracked.connection if at.tracked is not None else None
    if connection is None or at.tracked is None or at.quoted is None:
        return at
    own, quoted = connection.original if at.tracked.reply else connection.reply, at.quoted
    if at.packet.destination != before.destination:
        quoted = quoted._replace(source=own.source, source_port=own.source_port)
    if at.packet.source != before.source:
        quoted = quoted.to_destination(own.destination, own.destination_port)
    return at._replace(quoted=quoted)


def output(walk: Walk, space: Space, at: HookPacket, route: Route) -> Endings:
    """POSTROUTING, and out of the device (``ip_output``)."""
    device, way = route.device, route.ways[0]
    if way.encap:
        return walk.undecided(
            f"the route {route.words} encapsulates ({way.encap}), which is not walked", route.fact.at, way.encap
        )
    next_hop = way.via or Address(at.packet.family, at.packet.destination)
    same = way.via.value if way.via and way.via.family == at.packet.family else None
    passed = run(walk, space, Hook.POSTROUTING, at.leaving(device, same))
    if not isinstance(passed, HookPacket):
        return passed
    passed = passed.between("", passed.out_device)
    if device == "lo" and route.kind == "local":
        if (link := space.links.get(device)) is not None and not link.up:
            return walk.drop(space.scope, f"{Interface(space.scope, device)} is down", link.at)
        return receive(walk, space, "lo", passed._replace(out_device="", next_hop=None, local=False), looped=True)
    sized = fitted(walk, space, device, route, passed.packet, at.local)
    if not isinstance(sized, Packet):
        return sized
    return resolution.send(walk, space, Interface(space.scope, device), next_hop, passed.with_packet(sized), route)


def without_ttl(packet: Packet) -> tuple[object, ...]:
    """What makes a packet the same one after another round."""
    return (*packet[:9], *packet[10:])


def loops(walk: Walk, space: Space) -> Endings:
    """The same packet at the same place on one way: a loop that only the TTL ends."""
    return walk.drop(space.scope, f"the packet loops: {space.place} has seen it before, and its TTL will end it")


def receive(walk: Walk, space: Space, device: str, at: HookPacket, prerouted: bool = False, looped: bool = False) -> Endings:
    """A packet for this host's IP comes in on a device (``ip_rcv``). ``looped``: it left by the loopback device and keeps its route."""
    key = (space.scope, device, walk.reply, without_ttl(at.packet))
    if key in walk.seen:
        return loops(walk, space)
    walk.seen.add(key)
    endings = received(walk, space, device, at, prerouted, looped)
    walk.seen.discard(key)
    return endings


def without_six(space: Space, device: str) -> tuple[str, Span | None] | None:
    """Why a device takes no packet of IPv6 (ip6_rcv_core of net/ipv6/ip6_input.c), with the switch's place; None: it takes them."""
    if not space.setting(6, device, "disable_ipv6"):
        return None
    key = f"net.ipv6.conf.{device.replace('.', '/')}.disable_ipv6"
    return f"{space.place} takes no IPv6 on {device} (disable_ipv6)", space.where(key)


def received(walk: Walk, space: Space, device: str, at: HookPacket, prerouted: bool, looped: bool) -> Endings:
    """PREROUTING and the input route."""
    before = at.packet
    if before.family == 6 and (reason := without_six(space, device)) is not None:
        return walk.drop(space.scope, *reason)
    if not prerouted:
        passed = run(walk, space, Hook.PREROUTING, at if at.in_device == device and not at.local else at.received(device))
        if not isinstance(passed, HookPacket):
            return passed
        at = passed
    if at.in_device != device:
        at = at.between(device, at.out_device)
    if looped and at.packet.destination == before.destination:
        return local(walk, space, device, at)
    if at.packet.family == 4:
        return input_four(walk, space, device, at)
    return input_six(walk, space, device, at)


def martian(space: Space, device: str, packet: Packet) -> str | None:
    """Addresses that no packet may have (``ip_route_input_slow``); of 0.0.0.0/8 it is the first alone (``ipv4_is_zeronet``)."""
    source, destination = packet.source, packet.destination
    if source >> 28 == 14 or source in (0, 0xFFFFFFFF) or not destination:
        return f"{Address(4, source if destination else 0)} is martian"
    loopback = [value for value in (source, destination) if value >> 24 == 127]
    if loopback and device != "lo" and not space.either(4, device, "route_localnet"):
        return f"{Address(4, loopback[0])} may not come in on {device} (route_localnet is 0)"
    return None


def input_four(walk: Walk, space: Space, device: str, at: HookPacket) -> Endings:
    """``ip_route_input_slow`` and what follows: martians, the route, the source's own way, local delivery or forwarding."""
    packet = at.packet
    if (text := martian(space, device, packet)) is not None:
        return walk.drop(space.scope, f"{space.place}: {text}", space.where(f"net.ipv4.conf.{device}.route_localnet"))
    found = route_of(walk, space, packet, device)
    if isinstance(found, NotKnown):
        return walk.undecided(found.reason, found.at, found.settle)
    if isinstance(found, Refused):
        return unserved.no_route(walk, space, packet, found)
    route = choose(walk, space, found, packet)
    if route.kind in ("local", "broadcast", "multicast", "anycast") or (
        at.packet_type == "broadcast" and packet.destination == 0xFFFFFFFF
    ):
        if (refused := reverse.refuse(walk, space, device, at, route)) is not None:
            return refused
        told(walk, space, route, packet)
        return local(walk, space, device, at)
    if (closed := forwarding(walk, space, device, 4)) is not None:
        return closed
    if (refused := reverse.refuse(walk, space, device, at, route)) is not None:
        return refused
    return forward(walk, space, at, route)


def input_six(walk: Walk, space: Space, device: str, at: HookPacket) -> Endings:
    """``ip6_route_input``: local delivery or forwarding; IPv6 does not check the source's way."""
    packet = at.packet
    if packet.source >> 120 == 0xFF or (1 in (packet.source, packet.destination) and device != "lo"):
        return walk.drop(space.scope, f"{space.place}: the addresses of {packet} may not come in on {device}")
    found = route_of(walk, space, packet, device)
    if isinstance(found, NotKnown):
        return walk.undecided(found.reason, found.at, found.settle)
    if isinstance(found, Refused):
        return unserved.no_route(walk, space, packet, found)
    route = choose(walk, space, found, packet)
    if route.kind != "unicast":
        told(walk, space, route, packet)
        return local(walk, space, device, at)
    if (closed := forwarding(walk, space, device, 6)) is not None:
        return closed
    return forward(walk, space, at, route)


def forwarding(walk: Walk, space: Space, device: str, family: int) -> Endings | None:
    """Whether packets that come in on the device are forwarded: IN_DEV_FORWARD (its own switch) for IPv4, the switch of all for
    IPv6, unless the device's ``force_forwarding`` asks for it (net/ipv6/ip6_output.c ``ip6_forward``)."""
    if family == 6 and space.switch(f"net.ipv6.conf.{device.replace('.', '/')}.force_forwarding"):
        return None
    whole = f"net.ipv{family}.conf.all.forwarding"
    own = f"net.ipv4.conf.{device.replace('.', '/')}.forwarding"
    keys = [own, "net.ipv4.ip_forward", whole] if family == 4 else [whole]
    key = next((one for one in keys if space.switch(one) is not None), None)
    if key is None:
        words = space.namespace.missing.get("sysctl", f"{whole} of {space.place} was not captured")
        text = f"{space.place} forwards IPv{family} packets"
        if walk.oracle.test(text, None, words):
            return None
        return walk.undecided(f"whether {text} is not known: {words}", None, words)
    if space.switch(key):
        return None
    return walk.drop(space.scope, f"{space.place} does not forward: {key} is 0", space.where(key))


def forward(walk: Walk, space: Space, at: HookPacket, route: Route) -> Endings:
    """``ip_forward``, ``ip6_forward``: only frames to this host, TTL, size, FORWARD."""
    packet = at.packet
    if at.packet_type != "unicast":
        return walk.drop(space.scope, f"{space.place} does not forward a packet from a {at.packet_type} frame", None, True)
    if packet.family == 6 and packet.source >> 118 == LINK_LOCAL:
        return walk.drop(space.scope, f"{space.place} does not forward a packet from a link-local address")
    if packet.ttl <= 1:
        return walk.drop(space.scope, f"{space.place}: the TTL of {packet} is used up")
    told(walk, space, route, packet)
    sized = fitted(walk, space, route.device, route, packet, False)
    if not isinstance(sized, Packet):
        return sized
    going = at.with_packet(packet.with_ttl(packet.ttl - 1)).between(at.in_device, route.device)._replace(routed_as=None)
    passed = run(walk, space, Hook.FORWARD, going)
    if not isinstance(passed, HookPacket):
        return passed
    if passed.routed_as is None:
        return output(walk, space, passed, route)
    again = route_out(walk, space, passed.routed_as)
    return output(walk, space, passed, again) if isinstance(again, Route) else again


def local(walk: Walk, space: Space, device: str, at: HookPacket) -> Endings:
    """INPUT, and to whoever is there."""
    if not space.namespace.virtual_servers and (missing := space.namespace.missing.get("ipvs")) is not None:
        address = Address(at.packet.family, at.packet.destination)
        fact = space.own.get(address)
        if fact is not None and fact.device in ipvs.DUMMIES:
            return walk.undecided(f"{address} of {space.place} is IPVS's, whose table is not known: {missing}", fact.at, missing)
    passed = run(walk, space, Hook.INPUT, at.between(at.in_device, ""))
    if not isinstance(passed, HookPacket):
        return passed
    return [Delivered(space.scope, device, passed, tuple(walk.hops))]
