"""From an IP packet to a frame: the neighbour entry, else who answers on the layer-2 network (net/ipv4/arp.c, net/ipv6/ndisc.c)."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.facts.links import Ipvlan, LinkFact, OtherKind, Tunnel, Vrf, Wireguard
from analyzer.facts.routes import DEFAULT, LOCAL, MAIN
from analyzer.model.network import Interface
from analyzer.ranges import Ranges, normalised
from analyzer.source import Scope
from analyzer.transfer.discovery import solicited
from analyzer.transfer.ir import Alt, Assign, Field, If, In, Transfer
from analyzer.transfer.reach import Reach, flood
from analyzer.transfer.space import BROADCAST, Context, by_value, drop, flattened, number, seq

UNUSABLE = frozenset({"FAILED", "INCOMPLETE", "NONE"})
UNKNOWN_ROUTER = 0
"""The MAC of a host that is not in the capture."""


def without_frames(link: LinkFact) -> bool:
    """Whether a device carries packets without a link layer."""
    if isinstance(link.kind, Tunnel):
        return "tap" not in link.kind.kind
    if isinstance(link.kind, Wireguard | Vrf):
        return True
    if isinstance(link.kind, Ipvlan):
        return link.kind.mode != "l2"
    return link.link_type in ("none", "ipip", "sit", "gre", "tunnel6", "ppp", "void") or (
        isinstance(link.kind, OtherKind) and link.kind.name == "tun"
    )


def resolve(context: Context, at: Interface, link: LinkFact, quiet: bool = False) -> Transfer:
    """Sets the frame's MACs for NEXT_HOP, or drops the packet that nobody answers for. ``quiet``: the packet keeps its connection and mark, as the
    question of IPv6 is not followed through the hooks."""
    own = link.mac or 0
    if without_frames(link):
        return seq(Assign(Field.SOURCE_MAC, 0), Assign(Field.DESTINATION_MAC, 0))
    if "NOARP" in link.flags:
        return seq(Assign(Field.SOURCE_MAC, own), Assign(Field.DESTINATION_MAC, own))
    context.granted(at.scope, "ip-neigh")
    known: dict[int, Transfer] = {}
    for fact in context.space(at.scope).neighbours:
        usable = fact.mac is not None and not fact.proxy and not fact.states & UNUSABLE
        if fact.device == at.device and fact.address.family == context.family and usable:
            known.setdefault(fact.address.value, Assign(Field.DESTINATION_MAC, fact.mac or 0, fact.at))
    asked = answers(context, at, flood(context, ("frame", at, 0)), quiet)
    return seq(Assign(Field.SOURCE_MAC, own), groups(context, at, by_value(Field.NEXT_HOP, known, asked)))


def groups(context: Context, at: Interface, otherwise: Transfer) -> Transfer:
    """Broadcast and multicast addresses have their MACs by computation (arp_mc_map, ndisc_mc_map)."""
    if context.family == 6:
        return If(In(Field.NEXT_HOP, ((0xFF << 120, (1 << 128) - 1),)), Assign(Field.DESTINATION_MAC, 0x333300000000), otherwise)
    ends = [(0xFFFFFFFF, 0xFFFFFFFF)]
    for route in context.space(at.scope).routes.get(4, {}).get(LOCAL, ()):
        if route.kind == "broadcast" and any(hop.device == at.device for hop in route.next_hops):
            ends.append((route.destination.value, route.destination.last))
    multicast = If(In(Field.NEXT_HOP, ((0xE0000000, 0xEFFFFFFF),)), Assign(Field.DESTINATION_MAC, 0x01005E000000), otherwise)
    return If(In(Field.NEXT_HOP, normalised(ends)), Assign(Field.DESTINATION_MAC, BROADCAST), multicast)


def answers(context: Context, at: Interface, reach: Reach, quiet: bool) -> Transfer:
    """Who answers: the hosts that hold the address, and those that answer for others; a router outside where the network leads there."""
    own: dict[int, dict[Transfer, None]] = {}
    proxies: list[tuple[Ranges, int]] = []
    for host in reach.hosts:
        link = context.link(host)
        if link is None or link.mac is None or "NOARP" in link.flags or host == at:
            continue
        for value in answered(context, at, host):
            own.setdefault(value, {}).setdefault(answer(context, at, host, value, link.mac, quiet))
        if ranges := proxied(context, host):
            proxies.append((ranges, link.mac))
    nobody = outside(at, reach)
    for ranges, mac in reversed(proxies):
        nobody = If(In(Field.NEXT_HOP, ranges), Assign(Field.DESTINATION_MAC, mac), nobody)
    rows = {value: any_of(tuple(found)) for value, found in own.items()}
    return by_value(Field.NEXT_HOP, rows, nobody)


def answer(context: Context, at: Interface, host: Interface, value: int, mac: int, quiet: bool) -> Transfer:
    """The answer of one host."""
    return Assign(Field.DESTINATION_MAC, mac) if quiet else solicited(context, at, host, value, mac)


def any_of(found: tuple[Transfer, ...]) -> Transfer:
    """The answer that arrives first."""
    return found[0] if len(found) == 1 else Alt(found)


def outside(at: Interface, reach: Reach) -> Transfer:
    """Where nobody in the capture answers."""
    if reach.outside or reach.unknown:
        return Assign(Field.DESTINATION_MAC, UNKNOWN_ROUTER)
    return drop(f"nobody on the network of {at} answers for the next hop")


def answered(context: Context, asker: Interface, host: Interface) -> Iterator[int]:
    """The addresses that a host answers for on an interface: by default all of its own (arp_ignore 0); IPv6 only the interface's."""
    ignore = max(number(context.setting(host.scope, host.device, "arp_ignore")), number(context.whole(host.scope, "arp_ignore")))
    if context.family == 4 and ignore == 8:
        return
    for link in context.space(host.scope).links.values():
        if link.name != host.device and (context.family == 6 or ignore):
            continue
        for fact in context.held.get(Interface(host.scope, link.name), ()):
            loopback = context.family == 4 and fact.address.value >> 24 == 127
            if not loopback and fact.scope_name != "host" and not fact.flags & {"tentative", "dadfailed"}:
                yield fact.address.value
    del asker


def proxied(context: Context, host: Interface) -> Ranges:
    """The addresses that a host answers for without holding them: ``ip neigh`` proxies, and with proxy_arp all that it routes elsewhere."""
    found = [
        (fact.address.value, fact.address.value)
        for fact in context.space(host.scope).neighbours
        if fact.proxy and fact.device == host.device and fact.address.family == context.family
    ]
    name = "proxy_arp" if context.family == 4 else "proxy_ndp"
    on = max(number(context.setting(host.scope, host.device, name)), number(context.whole(host.scope, name)))
    if on and context.family == 4:
        found += routed_elsewhere(context, host.scope, host.device)
    return normalised(found)


def routed_elsewhere(context: Context, scope: Scope, device: str) -> Iterator[tuple[int, int]]:
    """The addresses that a namespace routes by another device (arp_process: arp_fwd_proxy)."""
    tables = context.space(scope).routes.get(context.family, {})
    routes = {
        route.destination: route
        for number in (DEFAULT, MAIN, LOCAL)
        for route in reversed(tables.get(number, ()))
        if not route.tos
    }
    for pair, networks in flattened(tuple(routes)):
        route = routes[networks[-1]]
        if route.kind == "unicast" and any(hop.device not in (device, None) for hop in route.next_hops):
            yield pair
