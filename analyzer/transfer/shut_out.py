"""What a tunnel device does not send at all, in the language: from an address that its host does not have, and what would not fit on the way.

After ``ip_route_output_key_hash_rcu`` (net/ipv4/route.c) and ``skb_tunnel_check_pmtu`` (net/ipv4/ip_tunnel_core.c).
"""

from __future__ import annotations

from analyzer.addresses import Address
from analyzer.facts.links import Geneve, LinkFact, Vxlan
from analyzer.facts.routes import LOCAL
from analyzer.model.network import Interface
from analyzer.model.path_mtu import assumption, learnt
from analyzer.ranges import Ranges
from analyzer.source import Scope
from analyzer.transfer.ir import FRAGMENTS, KEEP, Drop, End, Field, If, In, Opaque, Transfer, Unknown
from analyzer.transfer.lookup import Way, routing
from analyzer.transfer.reach import bridge_of
from analyzer.transfer.sizes import HEADERS, overhead
from analyzer.transfer.space import Context, seq

LEAST = {4: 576, 6: 1280}
"""With less than that nobody is told of a path's MTU."""


def let_in(context: Context, at: Interface, scope: Scope, local: Address | None, remote: Address) -> Transfer:
    """What is asked before a packet is put into another."""
    if remote.family == 6:
        return KEEP
    link = context.link(at)
    if local is not None and local.family == 4 and local.value and not held(context, scope, local.value):
        words = f"{at} sends from {local}, which no interface of {scope} has"
        missing = context.space(scope).missing.get("ip-addr")
        open_ = Unknown(f"whether {words} is not known: {missing}")
        return End(Drop(words) if missing is None else open_, link.at if link else None)
    return fits(context, at, link, scope, local, remote)


def held(context: Context, scope: Scope, value: int) -> bool:
    """Whether an IPv4 address is of an interface, or of the local table (``__ip_dev_find``), or no single host's."""
    space = context.space(scope)
    if any(fact.address == Address(4, value) for fact in space.addresses) or value >> 24 == 127 or value >> 28 == 14:
        return True
    routes = space.routes.get(4, {}).get(LOCAL, ())
    return any(route.kind != "unicast" and route.destination.covers(Address(4, value)) for route in routes)


def fits(
    context: Context, at: Interface, link: LinkFact | None, scope: Scope, local: Address | None, remote: Address
) -> Transfer:
    """A port of a bridge does not send what would not fit into the outer packet's path, even where that could be cut into fragments."""
    if (
        link is None
        or not isinstance(link.kind, Vxlan | Geneve)
        or not (bridge_of(context, at) or link.master_kind == "openvswitch")
    ):
        return KEEP
    found = routing(context, scope).look_up(remote.value, local.value if local else 0)
    if found is None:
        return KEEP
    words = f"the packet fits into what {at} sends to {remote}"
    if not isinstance(found, Way):
        return If(In(Field.LENGTH, whole(context, 1)), If(Opaque(words), KEEP, End(Unknown(words))), KEEP)
    ways = {room(context, scope, found, hop.device or "", remote) for hop in found.hops}
    limits = {limit - overhead(link.kind) - HEADERS[4] for limit in ways if limit}
    limits = {limit for limit in limits if limit >= LEAST[context.family]}
    tests = [
        If(In(Field.LENGTH, whole(context, limit + 1)), End(Drop(f"{at} has room for packets of {limit} bytes"), link.at), KEEP)
        for limit in sorted(limits)
    ]
    if len(ways) > 1:
        return If(
            In(Field.LENGTH, whole(context, min(limits, default=0) + 1)), If(Opaque(words), KEEP, End(Unknown(words))), KEEP
        )
    return seq(*tests)


def whole(context: Context, least: int) -> Ranges:
    """Packets of so many bytes or more that are not cut: of IPv6 all."""
    plain = (least, FRAGMENTS - 1)
    return (plain,) if context.family == 4 else (plain, (FRAGMENTS + least, 2 * FRAGMENTS - 1))


def room(context: Context, scope: Scope, found: Way, device: str, remote: Address) -> int:
    """What a way carries; 0: that is not known."""
    link = context.link(Interface(scope, device))
    limit = found.route.mtu or (link.mtu if link is not None else None) or 0
    path = learnt(context.space(scope), device, 4, True).get(remote.value)
    if path is None or (limit and path.limit >= limit):
        return limit
    context.assume(assumption(context.space(scope), str(remote), path.limit))
    return path.limit
