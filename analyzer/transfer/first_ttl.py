"""The TTL that a host's own packets start with, in the language (``ip_select_ttl`` of net/ipv4/ip_output.c, ``ip6_dst_hoplimit`` of net/ipv6/output_core.c).

Packets come to ``send`` with the usual TTL, so that nothing is said where that is right. Where routes set another, a value that none of them sets stands for "not chosen yet"
while the packet is routed for the first time: a second route, after OUTPUT, changes nothing.
"""

from __future__ import annotations

from analyzer.facts.routes import RouteFact
from analyzer.model.first_ttl import LARGEST, USUAL, enough, first_ttl, of_routes, short
from analyzer.model.network import Namespace
from analyzer.ranges import single
from analyzer.source import Scope
from analyzer.transfer.ir import KEEP, Assign, Field, If, In, Transfer
from analyzer.transfer.space import OF_TUNNEL, Context, by_value, seq, unless


def waiting(space: Namespace, family: int) -> int | None:
    """What stands for a TTL that is not chosen yet; None where no route chooses one."""
    taken = of_routes(space, family)
    return next(value for value in range(LARGEST, 0, -1) if value not in taken) if 0 < len(taken) < LARGEST else None


def before_route(context: Context, scope: Scope) -> Transfer:
    """The TTL waits for the route; of a tunnel's packet it may be too small."""
    space, family = context.space(scope), context.family
    begun = waiting(space, family)
    doubt = unless(enough(space), KEEP) if short(space, family) else KEEP
    wait = Assign(Field.TTL, begun) if begun is not None else KEEP
    return KEEP if doubt == wait == KEEP else If(OF_TUNNEL, doubt, wait)


def by_route(context: Context, scope: Scope, route: RouteFact) -> Transfer:
    """A route with a hop limit of its own."""
    begun = waiting(context.space(scope), context.family) if route.hop_limit else None
    if begun is None or route.hop_limit is None:
        return KEEP
    return If(In(Field.TTL, single(begun)), Assign(Field.TTL, route.hop_limit, route.at), KEEP)


def after_route(context: Context, scope: Scope) -> Transfer:
    """What the route left open: the namespace's own, in IPv6 that of the device."""
    space, family = context.space(scope), context.family
    begun = waiting(space, family)
    if family == 4:
        own = first_ttl(space, 4, "")
        chosen: Transfer = Assign(Field.TTL, own) if begun is not None or own != USUAL else KEEP
    else:
        limits = {context.names.number(device): first_ttl(space, 6, device) for device in space.links}
        rows: dict[int, Transfer] = {number: Assign(Field.TTL, limit) for number, limit in limits.items() if limit != USUAL}
        chosen = by_value(Field.OUT_INTERFACE, rows, Assign(Field.TTL, USUAL) if begun is not None else KEEP)
    if chosen == KEEP:
        return KEEP
    return If(OF_TUNNEL, KEEP, chosen) if begun is None else If(In(Field.TTL, single(begun)), chosen, KEEP)


def routed(context: Context, scope: Scope, route: Transfer) -> Transfer:
    """The routing of what the host itself sends, with the TTL that the packet has from then on."""
    return seq(before_route(context, scope), route, after_route(context, scope))
