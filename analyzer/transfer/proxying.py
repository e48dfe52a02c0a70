"""For which addresses of others a host answers questions of ARP (net/ipv4/arp.c: ``arp_fwd_proxy``, ``arp_fwd_pvlan``)."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.facts.links import Vxlan
from analyzer.facts.routes import DEFAULT, LOCAL, MAIN
from analyzer.model.network import Interface
from analyzer.ranges import Ranges, difference, intersection, normalised
from analyzer.source import Scope
from analyzer.transfer.lookup import largest, routing
from analyzer.transfer.space import Context, flattened, number


def may_stand_in(context: Context, at: Interface) -> bool:
    """Whether a host whose routes were not captured is set to answer for what it routes elsewhere: for which addresses, they would say."""
    if "ip-route/4" not in context.space(at.scope).missing:
        return False
    set_to = largest(context, at, "proxy_arp") or number(context.setting(at.scope, at.device, "proxy_arp_pvlan"))
    return set_to > 0 and forwards(context, at)


def of_others(context: Context, at: Interface) -> list[tuple[int, int]]:
    """The addresses that IPv4 answers for as a proxy."""
    if may_stand_in(context, at):
        return [(0, (1 << 32) - 1)]
    entries, others = named(context, at), largest(context, at, "proxy_arp")
    same = number(context.setting(at.scope, at.device, "proxy_arp_pvlan"))
    ways = routed(context, at.scope) if entries or others or same else ()
    found: list[tuple[int, int]] = [
        pair for pair in entries if any(low <= pair[0] <= high and device != at.device for (low, high), device in ways)
    ]
    if others:
        found += [pair for pair, device in ways if device != at.device]
    if same:
        found += [pair for pair, device in ways if device == at.device]
    return found


def named(context: Context, at: Interface) -> list[tuple[int, int]]:
    """The proxies of ``ip neigh``."""
    return [
        (fact.address.value, fact.address.value)
        for fact in context.space(at.scope).neighbours
        if fact.proxy and fact.device == at.device and fact.address.family == context.family
    ]


def routed(context: Context, scope: Scope) -> tuple[tuple[tuple[int, int], str], ...]:
    """The addresses that a namespace forwards, each with the device, worked out once (the tables that every namespace has)."""
    found = context.made.get(("routed", scope))
    if not isinstance(found, tuple):
        found = context.made["routed", scope] = tuple(by_device(context, scope))
    return found


def by_device(context: Context, scope: Scope) -> Iterator[tuple[tuple[int, int], str]]:
    """The ranges of unicast routes: the local table is asked first, then main, then default; the longest prefix of one decides."""
    left: Ranges = ((0, (1 << 32) - 1),)
    alive = routing(context, scope).alive
    for table in (LOCAL, MAIN, DEFAULT):
        routes = context.space(scope).routes.get(4, {}).get(table, ())
        best = {route.destination: route for route in reversed(routes) if not route.tos}
        taken: list[tuple[int, int]] = []
        for pair, networks in flattened(tuple(best)):
            route = best[networks[-1]]
            taken.append(pair)
            device = next((hop.device for hop in route.next_hops if hop.usable and alive(hop.device)), None)
            if route.kind == "unicast" and device is not None:
                yield from ((piece, device) for piece in intersection(left, (pair,)))
        left = difference(left, normalised(taken))


def forwards(context: Context, at: Interface) -> bool:
    """Whether packets that come in at an interface are forwarded, as far as that is known; in IPv6, whether its host answers there as a router does."""
    if context.family == 6:
        own = context.switch(at.scope, f"net.ipv6.conf.{at.device.replace('.', '/')}.forwarding")
        return number(own if own is not None else context.whole(at.scope, "forwarding")) > 0
    own = context.setting(at.scope, at.device, "forwarding")
    value = own if own is not None else context.switch(at.scope, "net.ipv4.ip_forward") or context.whole(at.scope, "forwarding")
    return number(value) > 0


def for_another(context: Context, at: Interface, target: int, out: str) -> bool:
    """``arp_fwd_proxy``, ``arp_fwd_pvlan`` and ``pneigh_lookup``."""
    if out == at.device:
        return number(context.setting(at.scope, at.device, "proxy_arp_pvlan")) > 0
    return (target, target) in named(context, at) or largest(context, at, "proxy_arp") > 0


def answered(context: Context, at: Interface) -> tuple[str, ...] | None:
    """A VXLAN device with ``proxy`` carries no questions: it answers by the host's entries for it (``arp_reduce``, ``neigh_reduce``), if there are any. None: it carries them."""
    link, space = context.link(at), context.space(at.scope)
    if link is None or not isinstance(link.kind, Vxlan) or not link.kind.proxy:
        return None
    known = "ip-neigh" in space.missing or any(fact.device == at.device for fact in space.neighbours)
    return (f"{at} answers questions by its neighbours (proxy)",) if known else ()
