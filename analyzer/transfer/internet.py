"""The IP layer in the language (net/ipv4/ip_input.c, ip_forward.c, ip_output.c, route.c and their IPv6 counterparts).

``send`` › ``post`` › ``leave`` › ``transmit`` for what a host sends; ``ip receive`` › ``input route`` › ``local in`` › ``deliver``
or ``forward`` › ``post`` for what it gets.
"""

from __future__ import annotations

from analyzer.facts.links import Vrf
from analyzer.facts.matches import ReversePathMatch
from analyzer.facts.routes import LOCAL, MAIN
from analyzer.model.network import Interface, Namespace
from analyzer.model.sockets import proxies
from analyzer.ranges import Ranges, difference, normalised, single, union
from analyzer.source import Scope
from analyzer.transfer import ipvs, neighbour
from analyzer.transfer.cilium.uplink import connecting
from analyzer.transfer.first_ttl import routed
from analyzer.transfer.ir import (
    KEEP,
    All,
    Any,
    Assign,
    Deliver,
    Drop,
    End,
    Field,
    If,
    In,
    Match,
    Opaque,
    Transfer,
    Unknown,
)
from analyzer.transfer.lookup import own_values, routing
from analyzer.transfer.loopback import LOOPBACK
from analyzer.transfer.netfilter.address_types import of_kind
from analyzer.transfer.netfilter.reverse_path import plain
from analyzer.transfer.netfilter.reverse_path import reverse_path as strict_way
from analyzer.transfer.reflecting import unreflected
from analyzer.transfer.scoped import unforwarded
from analyzer.transfer.sizes import sent
from analyzer.transfer.space import OF_TUNNEL, Context, by_value, call, drop, goto, number, seq, span_of, unless
from analyzer.transfer.tunnel import arrival

EMPTY = (
    Field.IN_INTERFACE,
    Field.OUT_INTERFACE,
    Field.PHYSICAL_IN,
    Field.PHYSICAL_OUT,
    Field.SOURCE_MAC,
    Field.DESTINATION_MAC,
    Field.VLAN,
)
CONNECTION = (Field.STATE, Field.STATUS, Field.DIRECTION)
"""What is cleared where a packet comes new to a namespace; a change of CONNECTION_MARK would be one of the connection's."""
ACCEPTING = {6: "net.ipv4.tcp_l3mdev_accept", 17: "net.ipv4.udp_l3mdev_accept"}
ECHO = {4: (1, 8, "net.ipv4.icmp_echo_ignore_all"), 6: (58, 128, "net.ipv6.icmp.echo_ignore_all")}
"""Pings: protocol, type, and the switch by which a host leaves them unanswered."""


def send_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """The host sends a packet: it is routed, then passes OUTPUT (which routes it again where it changed). ``unbound``: it keeps the route by which
    its source was chosen."""
    cleared = (Assign(name, 0) for name in (*EMPTY, *CONNECTION))
    begun = seq(
        *cleared,
        from_own(context, scope),
        connecting(context, scope),
        routed(context, scope, call(scope, "route output", detail)),
    )
    return seq(begun, call(scope, "hook", "OUTPUT"), goto(scope, "post"))


def from_own(context: Context, scope: Scope) -> Transfer:
    """IPv4 sends from own addresses alone, unless the socket is transparent (``ip_route_output_key_hash_rcu``). That matters where a table of the namespace's own
    makes others local; sockets that TPROXY gives packets to are taken for transparent."""
    space = context.space(scope)
    tables = space.routes.get(4, {}) if context.family == 4 else {}
    if not any(route.kind == "local" for table, routes in tables.items() if table != LOCAL for route in routes):
        return KEEP
    own = [(value, value) for value in own_values(context, scope)]
    own += [(route.destination.value, route.destination.last) for route in tables.get(LOCAL, ()) if route.kind == "local"]
    words = f"{scope} cannot send from an address that none of its interfaces has"
    refused: Transfer = End(Drop(words))
    answers = In(Field.PROTOCOL, normalised([(6, 6), (17, 17)]))
    open_sockets = KEEP if proxies(space) else If(Opaque(f"the socket of {scope} that answers is transparent"), KEEP, refused)
    return If(In(Field.SOURCE, normalised([*own, LOOPBACK])), KEEP, If(answers, open_sockets, refused))


def node_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """The host sends a packet whose source the kernel chooses, and routes it again with that source: all but IPv6 (``ip_route_connect``)."""
    del detail
    return seq(call(scope, "choose source"), goto(scope, "send", "unbound" if context.family == 6 else ""))


def post_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """POSTROUTING, then the device. The device that a forwarded packet came in by is kept where a rule could look at it there."""
    del detail
    space = context.space(scope)
    native = any(chain.base is not None and chain.base.hook == "postrouting" for table in space.nft_tables for chain in table.chains.values())  # fmt: skip
    seen = native or any("iface" in fact.type or "mac" in fact.type for fact in space.sets.values())
    forget, hook = Assign(Field.IN_INTERFACE, 0), call(scope, "hook", "POSTROUTING")
    return seq(*((hook, forget) if seen else (forget, hook)), goto(scope, "leave"))


def leave_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """By the device of the route."""
    del detail
    rows: dict[int, Transfer] = {
        context.names.number(device): goto(scope, "transmit", device) for device in context.space(scope).links
    }
    return by_value(
        Field.OUT_INTERFACE, rows, End(Unknown(f"the device by which the packet leaves {scope} is not in the capture"))
    )


def transmit_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """A packet leaves by a device: it must fit, and the next hop must be resolved."""
    at = Interface(scope, detail)
    link = context.link(at)
    if link is None:
        return End(Unknown(f"the interface {at} is not in the capture"))
    if not link.up:
        return End(Drop(f"{at} is down"), link.at)
    if detail == "lo" or "LOOPBACK" in link.flags:
        return seq(astray(context, scope, detail), goto(scope, "frame", detail))
    return seq(sent(link.mtu, str(at), link.at), call(scope, "resolved", detail), goto(scope, "frame", detail))


def astray(context: Context, scope: Scope, device: str) -> Transfer:
    """A route by the loopback device that is none of the host's own: what it sends there is not taken (``dst.input`` of an output route is
    dst_discard in net/ipv4/route.c, and in net/ipv6/route.c ip6_forward, which it loops through)."""
    routes = [route for table in context.space(scope).routes.get(context.family, {}).values() for route in table]
    if not any(route.kind == "unicast" and any(hop.device == device for hop in route.next_hops) for route in routes):
        return KEEP
    own = normalised(span_of(route.destination) for route in routes if route.kind in ("local", "anycast"))
    return If(In(Field.DESTINATION, own), KEEP, drop(f"{scope} sends the packet by {device}, and does not take it"))


def resolved_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """Comes back with the frame's MACs for NEXT_HOP."""
    device, _, quiet = detail.partition(" ")
    at = Interface(scope, device)
    link = context.link(at)
    return (
        neighbour.resolve(context, at, link, bool(quiet))
        if link is not None
        else End(Unknown(f"the interface {at} is not in the capture"))
    )


def looped_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """A packet comes back by ``lo``: its connection and its route are kept (loopback_xmit)."""
    if context.without_six(Interface(scope, detail)):
        return drop(f"{scope} takes no IPv6 on {detail} (disable_ipv6)")
    device = Assign(Field.IN_INTERFACE, context.names.number(detail))
    out = Assign(Field.OUT_INTERFACE, 0)
    return seq(device, out, call(scope, "hook", "PREROUTING lo"), goto(scope, "local in"))


def receive_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """The host has a packet from a device."""
    if context.without_six(Interface(scope, detail)):
        return drop(f"{scope} takes no IPv6 on {detail} (disable_ipv6)")
    device = Assign(Field.IN_INTERFACE, context.names.number(detail))
    none = (Field.OUT_INTERFACE, Field.PHYSICAL_IN, Field.PHYSICAL_OUT, *CONNECTION)
    cleared = (Assign(name, 0) for name in none)
    return seq(device, *cleared, goto(scope, "arrived"))


def arrived_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """PREROUTING for what has arrived at any device, then what that device wants."""
    del detail
    rows: dict[int, Transfer] = {
        context.names.number(device): goto(scope, "input route", device) for device in context.space(scope).links
    }
    lost = End(Unknown(f"the device at which the packet arrives in {scope} is not in the capture"))
    return seq(call(scope, "hook", "PREROUTING"), by_value(Field.IN_INTERFACE, rows, lost))


def input_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """Martians, the way back, the route, and whether the host forwards (ip_route_input_slow, ip_mkroute_input, ip6_forward)."""
    local = If(In(Field.OUT_INTERFACE, single(0)), goto(scope, "local in"), KEEP)
    early = checked(context, scope, detail) if context.family == 4 else checked_six(scope, detail)
    return seq(early, call(scope, "route input"), local, forwards(context, scope, detail))


def checked(context: Context, scope: Scope, device: str) -> Transfer:
    """Addresses that may not come from a wire, and the reverse path of the source. The rest of 0.0.0.0/8 and class E are ordinary (inet.h ``ipv4_is_zeronet``)."""
    wrong: Ranges = normalised([(0, 0), (0xE0000000, 0xEFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF)])
    reason = f"{scope} drops the packet from {device}: a martian address"
    tests: list[Match] = [In(Field.SOURCE, wrong), In(Field.DESTINATION, single(0))]
    if not largest(context, scope, device, "route_localnet"):
        tests += [In(Field.SOURCE, (LOOPBACK,)), In(Field.DESTINATION, (LOOPBACK,))]
    return seq(If(Any(tuple(tests)), drop(reason), KEEP), reverse_path(context, scope, device))


def checked_six(scope: Scope, device: str) -> Transfer:
    """Groups send nothing, and ``::1`` neither comes from a wire nor is to be had from one, whatever was translated to it (ip6_input.c ``ip6_rcv_core``, route.c ``ip6_route_input``)."""
    tests: list[Match] = [In(Field.SOURCE, ((0xFF << 120, (1 << 128) - 1),))]
    if device != "lo":
        tests += [In(Field.SOURCE, single(1)), In(Field.DESTINATION, single(1))]
    return If(Any(tuple(tests)), drop(f"{scope} drops the packet from {device}: its addresses may not come in there"), KEEP)


def largest(context: Context, scope: Scope, device: str, name: str) -> int:
    """The larger of a device's switch and that of ``all`` (IN_DEV_MAXCONF, IN_DEV_ORCONF)."""
    return max(number(context.setting(scope, device, name)), number(context.whole(scope, name)))


def reverse_path(context: Context, scope: Scope, device: str) -> Transfer:
    """rp_filter; without it, that the source is not the host's own (__fib_validate_source)."""
    space = context.space(scope)
    if "sysctl" in space.missing and not space.sysctls:
        words = f"{scope} accepts the packet's source (rp_filter; {space.missing['sysctl']})"
        passes = If(way_back(context, space, device), KEEP, unless(words, KEEP))
        return seq(own_source(context, scope, device), passes)
    mode = largest(context, scope, device, "rp_filter")
    if not mode and context.setting(scope, device, "rp_filter") is None and plain(space, 4):
        words = f"{scope}: rp_filter of {device} lets a source come in that is reached another way"
        back = strict_way(ReversePathMatch(), context, space, Opaque)
        return seq(own_source(context, scope, device), If(back, KEEP, unless(words, KEEP)))
    if not mode:
        return own_source(context, scope, device)
    if mode == 2 and not context.held.get(Interface(scope, device)):
        mode = 1
    if largest(context, scope, device, "accept_local"):
        own = In(Field.SOURCE, of_kind(4, "local", None, space))
        return If(own, KEEP, call(scope, "way back", f"strict {device}" if mode == 1 else f"loose {device}"))
    return call(scope, "way back", f"strict {device}" if mode == 1 else f"loose {device}")


def own_source(context: Context, scope: Scope, device: str) -> Transfer:
    """A packet from outside with the host's own source is dropped, unless accept_local. That is one of its addresses (``inet_lookup_ifaddr_rcu``);
    where it has rules or local routes besides the kernel's own, one that it has a local route to."""
    if largest(context, scope, device, "accept_local"):
        return KEEP
    plainly = normalised((value, value) for value in own_values(context, scope))
    own = of_kind(4, "local", None, context.space(scope)) if routing(context, scope).whole else plainly
    return If(In(Field.SOURCE, own), drop(f"{scope} drops the packet from {device}: its source is the host's own address"), KEEP)


def way_back(context: Context, space: Namespace, device: str) -> Match:
    """The sources of networks on the device in the main table: what even a strict rp_filter accepts."""
    pairs = [
        (route.destination.value, route.destination.last)
        for table in (MAIN, LOCAL)
        for route in space.routes.get(4, {}).get(table, ())
        if route.kind == "unicast" and route.destination.length and any(hop.device == device for hop in route.next_hops)
    ]
    del context
    return In(Field.SOURCE, normalised(pairs))


def forwards(context: Context, scope: Scope, device: str) -> Transfer:
    """The forwarding switch: of the device in IPv4, of all in IPv6, where the device's ``force_forwarding`` does not ask for it (ip6_forward)."""
    space = context.space(scope)
    if context.family == 4:
        own = context.setting(scope, device, "forwarding")
        value = own if own is not None else context.switch(scope, "net.ipv4.ip_forward") or context.whole(scope, "forwarding")
    else:
        forced = context.switch(scope, f"net.ipv6.conf.{device.replace('.', '/')}.force_forwarding")
        value = forced if number(forced) else context.whole(scope, "forwarding")
    if value is None:
        why = space.missing.get("sysctl", "the switch is not in the capture")
        return seq(unless(f"{scope} forwards packets ({why})", KEEP), goto(scope, "forward"))
    if not number(value):
        return drop(f"{scope} does not forward packets from {device}")
    return goto(scope, "forward")


def forward_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """FORWARD for a packet that lives on; a TTL that was not given (0) is not counted down."""
    del detail
    rows: dict[int, Transfer] = {value: Assign(Field.TTL, value - 1) for value in range(2, 256)}
    rows[1] = drop(f"{scope} does not forward a packet whose TTL is 1")
    return seq(unforwarded(context, scope), by_value(Field.TTL, rows, KEEP), call(scope, "hook", "FORWARD"), goto(scope, "post"))


def local_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """INPUT for a packet that is for this host."""
    del detail
    return seq(ipvs.unread(context, scope), call(scope, "hook", "INPUT"), goto(scope, "deliver"))


def deliver_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """Tunnels take their packets, sockets the rest; the stack answers pings, unless it is told not to (net/ipv4/icmp.c ``icmp_echo``)."""
    del detail
    lost = drop(f"{scope} has no tunnel device that takes the tunnel's packet")
    protocol, kind, key = ECHO[context.family]
    fact = context.space(scope).sysctls.get(key)
    taken: Transfer = End(Deliver(scope))
    if number(context.switch(scope, key)):
        ping = All((In(Field.PROTOCOL, single(protocol)), In(Field.ICMP_TYPE, single(kind))))
        taken = If(ping, End(Drop(f"{scope} does not answer pings ({key})"), fact.at if fact else None), taken)
    if context.family == 4:
        taken = If(
            In(Field.DESTINATION, to_all(context.space(scope))),
            drop(f"nobody answers from a broadcast address of {scope}"),
            taken,
        )
    return arrival(context, scope, If(OF_TUNNEL, lost, by_vrf(context, scope, unreflected(context, scope, taken))))


def by_vrf(context: Context, scope: Scope, taken: Transfer) -> Transfer:
    """What came in by a VRF: sockets that are bound to no device take nothing of it, unless a switch says so (include/net/inet_sock.h
    ``inet_bound_dev_eq``); whether others are bound to it, and what is answered by its table, is not followed."""
    space = context.space(scope)
    vrfs = {name for name, link in space.links.items() if isinstance(link.kind, Vrf)}
    members = [name for name, link in space.links.items() if name in vrfs or link.master in vrfs]
    if not members:
        return taken
    inside = In(Field.IN_INTERFACE, normalised((one, one) for one in map(context.names.number, members)))
    free = space.listed if space.listeners is not None and not any(fact.device for fact in space.listeners) else frozenset[int]()
    kept = [
        one for one, key in ACCEPTING.items() if one in free and "ss" not in space.gaps and not number(context.switch(scope, key))
    ]
    lost = drop(f"no socket of {scope} is bound to the VRF that the packet came by")
    whoever = End(Unknown(f"who takes what came in by a VRF of {scope}, and its answer's way, is not followed"))
    barred = In(Field.PROTOCOL, normalised((one, one) for one in kept))
    return If(inside, If(barred, lost, whoever) if kept else whoever, taken)


def to_all(space: Namespace) -> Ranges:
    """The broadcast addresses of a host: what is sent there opens no connection (tcp_ipv4.c ``tcp_v4_conn_request``), and what answers it does so from another address."""
    found: Ranges = ()
    for route in sorted(space.routes.get(4, {}).get(LOCAL, ()), key=lambda route: route.destination.length):
        own = ((route.destination.value, route.destination.last),)
        found = union(found, own) if route.kind == "broadcast" else difference(found, own)
    return union(found, single(0xFFFFFFFF))
