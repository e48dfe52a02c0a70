"""Routing rules and tables in the language: rules by priority, the longest prefix, then metric and order (net/core/fib_rules.c, net/ipv4/fib_trie.c).

``route output`` and ``route input`` set OUT_INTERFACE (0 on input: for this host) and NEXT_HOP and come back, or end the packet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from analyzer.addresses import Address, Prefix
from analyzer.facts.links import Vrf
from analyzer.facts.routes import NextHop, RouteFact, RoutingRuleFact
from analyzer.model.gaps import ROUTING, network_of
from analyzer.model.network import Interface, Namespace
from analyzer.model.path_mtu import assumption, learnt
from analyzer.ranges import normalised, single
from analyzer.source import Scope, Span
from analyzer.transfer import lookup, loopback, selection, six_routers
from analyzer.transfer.first_ttl import by_route
from analyzer.transfer.ir import (
    KEEP,
    NEVER,
    All,
    Alt,
    Assign,
    Copy,
    Drop,
    End,
    Field,
    If,
    In,
    Match,
    Not,
    Opaque,
    Return,
    Transfer,
    Unknown,
)
from analyzer.transfer.netfilter.services import routed_by_service
from analyzer.transfer.netfilter.where import masked
from analyzer.transfer.scoped import of_several_links
from analyzer.transfer.sizes import sent, uncut
from analyzer.transfer.space import Context, by_value, call, dispatch, drop, flattened, number, seq, span_of

Effect = Callable[[RouteFact, NextHop], Transfer]
MANY = 16
REFUSALS = {"blackhole": "is discarded", "unreachable": "is refused as unreachable", "prohibit": "is refused as prohibited"}


@dataclass(frozen=True, slots=True)
class LookUp:
    """One kind of look-up: the fields that stand for source and destination, and what a route's way does. ``refuse`` is what a route that refuses does (None: it
    drops). ``back``: rp_filter's question, without device, port or (by default) mark. ``unbound``: the source was not chosen yet. ``classless``: without type of service."""

    context: Context
    space: Namespace
    effect: Effect
    destination: Field = Field.DESTINATION
    source: Field = Field.SOURCE
    refuse: Transfer | None = None
    back: bool = False
    unbound: bool = False
    classless: bool = False
    made: dict[tuple[int, int], Transfer] = field(default_factory=dict)

    def rules(self, nothing: Transfer) -> Transfer:
        """All rules; ``nothing`` where no rule finds a route."""
        context, space = self.context, self.space
        if (words := space.missing.get(f"ip-route/{context.family}")) is not None and not space.routes.get(context.family):
            return End(Unknown(f"the routes of {space.scope} are not known ({words})"))
        context.granted(space.scope, f"ip-rule/{context.family}")
        return seq(*self.doubts(), self.after(space.rules.get(context.family, ()), 0, nothing))

    def doubts(self) -> Iterator[Transfer]:
        """The lines of routes and rules that were not understood: each could decide, where it does not name another network. Behind one that could be about
        any, no other is asked: it stands for them."""
        space, sources = self.space, self.context.network.sources
        for kind in ROUTING:
            for gap in space.gaps.get(kind, ()):
                network = network_of(sources, gap) if kind != "ip-rule" else None
                text = f"the line of {space.scope} that was not understood ({gap.reason}) does not change the route"
                lost = End(Unknown(f"{gap.at} was not understood: {gap.reason}"), gap.at)
                doubt = If(Opaque(text, gap.at), KEEP, lost)
                if network is None:
                    yield doubt
                    return
                if network.family == self.context.family:
                    yield If(In(self.destination, (span_of(network),)), doubt, KEEP)

    def after(self, rules: Sequence[RoutingRuleFact], start: int, nothing: Transfer) -> Transfer:
        """The rules from a position on."""
        parts: list[Transfer] = []
        for position in range(start, len(rules)):
            rule = rules[position]
            then = self.action(rule, rules, nothing)
            parts.append(then if (match := self.selects(rule)) == All(()) else If(match, then, KEEP, rule.at))
        return seq(*parts, nothing)

    def action(self, rule: RoutingRuleFact, rules: Sequence[RoutingRuleFact], nothing: Transfer) -> Transfer:
        """What a rule does: the table's route ends the search, no route goes on."""
        match rule.action:
            case "lookup":
                return self.table(rule)
            case "goto":
                later = next((i for i, item in enumerate(rules) if item.priority >= (rule.target or 0)), len(rules))
                return self.after(rules, later, nothing) if later > rules.index(rule) else KEEP
            case "nop":
                return KEEP
            case kind:
                return self.refuse or End(
                    Drop(f"the packet {REFUSALS.get(kind, 'is refused')} by a routing rule of {self.space.scope}"), rule.at
                )

    def selects(self, rule: RoutingRuleFact) -> Match:
        """The packets that a rule is about."""
        names = self.context.names
        found: list[Match] = []
        for prefix, name in ((rule.source, self.source), (rule.destination, self.destination)):
            if prefix is not None and prefix.length:
                found.append(self.within(prefix, name))
        if self.back:
            found += self.asked_back(rule) + ([self.served(rule.tos, rule.at)] if rule.tos else [])
            return Not(All(tuple(found))) if rule.inverted else All(tuple(found))
        if rule.mark is not None:
            found.append(masked(Field.MARK, rule.mark, rule.mask, 32))
        if rule.in_interface is not None:
            device = 0 if rule.in_interface == "lo" else names.number(rule.in_interface)
            found.append(In(Field.IN_INTERFACE, single(device)))
        if rule.out_interface is not None:
            found.append(lookup.bound_to(self.space, rule.out_interface, rule.at))
        if rule.protocol is not None:
            found.append(In(Field.PROTOCOL, single(rule.protocol)))
        for ports, name in ((rule.source_ports, Field.SOURCE_PORT), (rule.destination_ports, Field.DESTINATION_PORT)):
            if ports is not None:
                found.append(In(name, (ports,)))
        if rule.tos:
            found.append(self.served(rule.tos, rule.at))
        if rule.user_ids is not None or rule.unknown:
            found.append(Opaque(f"{self.space.scope}: the routing rule {rule.priority} is about the packet", rule.at))
        match = found[0] if len(found) == 1 else All(tuple(found))
        return Not(match) if rule.inverted else match

    def served(self, wanted: int, at: Span) -> Match:
        """The packets with a type of service."""
        return NEVER if self.classless else routed_by_service(self.context, self.space, wanted, at)

    def within(self, prefix: Prefix, name: Field) -> Match:
        """The packets whose address is in a network; a source that was not chosen yet is 0."""
        if self.unbound and name is self.source:
            return NEVER if prefix.value else All(())
        return In(name, (span_of(prefix),))

    def asked_back(self, rule: RoutingRuleFact) -> list[Match]:
        """The selectors in the question of rp_filter: it comes from ``lo``, without mark (src_valid_mark 0), protocol and ports."""
        mark: Match = All(())
        if rule.mark is not None:
            mark = masked(Field.MARK, rule.mark, rule.mask, 32) if self.valid_mark() else (All(()) if not rule.mark else NEVER)
        others = rule.in_interface not in (None, "lo") or rule.protocol or rule.source_ports or rule.destination_ports
        return [item for item in (mark, NEVER if others or rule.out_interface else All(())) if item != All(())]

    def valid_mark(self) -> bool:
        """Whether src_valid_mark is set for all devices."""
        return number(self.context.whole(self.space.scope, "src_valid_mark")) > 0

    def table(self, rule: RoutingRuleFact) -> Transfer:
        """The rule's table; the main table of a VRF's members for ``l3mdev``."""
        if rule.l3mdev:
            return self.members()
        table = rule.table if isinstance(rule.table, int) else 0
        key = f"ip-route/{self.context.family}/{table}"
        if (words := self.space.missing.get(key)) is not None:
            return End(Unknown(f"the routing table {table} of {self.space.scope} is not known ({words})"), rule.at)
        return self.routes(table, -1 if rule.suppress_prefix_length is None else rule.suppress_prefix_length)

    def members(self) -> Transfer:
        """The tables of VRF devices, by the device the packet came in by (net/l3mdev/l3mdev.c)."""
        found: list[Transfer] = []
        for device, link in self.space.links.items():
            if isinstance(link.kind, Vrf):
                ports = (device, *self.context.ports.get(Interface(self.space.scope, device), ()))
                numbers = tuple(sorted((self.context.names.number(port),) * 2 for port in ports))
                found.append(If(In(Field.IN_INTERFACE, numbers), self.routes(link.kind.table, -1), KEEP))
        return seq(*found)

    def routes(self, table: int, suppressed: int) -> Transfer:
        """A table: a balanced search over the disjoint ranges of its prefixes."""
        if (table, suppressed) not in self.made:
            self.made[table, suppressed] = self.searched(
                self.space.routes.get(self.context.family, {}).get(table, ()), suppressed
            )
        return self.made[table, suppressed]

    def searched(self, routes: Sequence[RouteFact], suppressed: int) -> Transfer:
        """The search over some routes."""
        by_prefix: dict[Prefix, list[RouteFact]] = {}
        for route in routes:
            if route.tos and self.served(route.tos, route.at) == NEVER:
                continue
            if route.destination.family == self.context.family:
                by_prefix.setdefault(route.destination, []).append(route)
        chosen: dict[tuple[Prefix, ...], Transfer] = {}
        rows: list[tuple[tuple[int, int], Transfer]] = []
        for pair, networks in flattened(tuple(by_prefix)):
            if networks not in chosen:
                chosen[networks] = self.best(networks, by_prefix, suppressed)
            if chosen[networks] != KEEP:
                rows.append((pair, chosen[networks]))
        return gathered(self.destination, rows)

    def best(self, networks: tuple[Prefix, ...], by_prefix: dict[Prefix, list[RouteFact]], suppressed: int) -> Transfer:
        """The route to addresses whose most specific network is the last: those of a source's own prefix first, then the smallest metric, then the first."""
        routes = sorted(by_prefix[networks[-1]], key=precedence)
        wider = self.best(networks[:-1], by_prefix, suppressed) if len(networks) > 1 else KEEP
        result = wider
        usable = [route for route in routes if not route.next_hops or any(self.good(route, hop) for hop in route.next_hops)]
        for position in range(len(usable) - 1, -1, -1):
            route = usable[position]
            own = KEEP if networks[-1].length <= suppressed else self.taken(route, usable[position:])
            if route.tos:
                result = If(self.served(route.tos, route.at), own, result, route.at)
            elif route.source_prefix is not None and route.source_prefix.length:
                result = If(self.within(route.source_prefix, self.source), own, result, route.at)
            else:
                result = own
        return result

    def good(self, route: RouteFact, hop: NextHop) -> bool:
        """Whether the kernel considers a way (fib_lookup_good_nhc). Routes of scope ``host`` stay when their device goes down."""
        link = self.space.links.get(hop.device or "")
        if link is None or not hop.usable or route.kind == "local":
            return hop.usable
        if not link.up:
            return route.scope_name == "host"
        if "linkdown" not in hop.flags and "NO-CARRIER" not in link.flags:
            return True
        switch = "ignore_routes_with_linkdown"
        return not max(
            number(self.context.setting(self.space.scope, link.name, switch)),
            number(self.context.whole(self.space.scope, switch)),
        )

    def taken(self, route: RouteFact, rest: Sequence[RouteFact]) -> Transfer:
        """The route's ways: any of several (fib_select_multipath; IPv6 also routes through gateways with the same metric)."""
        if route.kind == "throw":
            return KEEP
        if route.kind in REFUSALS:
            words = f"the packet {REFUSALS[route.kind]} by the route to {route.destination} of {self.space.scope}"
            return self.refuse or End(Drop(words), route.at)
        ways = [(route, hop) for hop in route.next_hops or (NextHop(),) if self.good(route, hop)]
        if self.context.family == 6:
            same = [other for other in rest[1:] if (other.metric, other.kind) == (route.metric, "unicast")]
            ways += [
                (other, hop)
                for other in same
                for hop in other.next_hops
                if gateways(route) and gateways(other) and self.good(other, hop)
            ]
        branches = tuple(dict.fromkeys(self.effect(*way) for way in ways))
        return branches[0] if len(branches) == 1 else Alt(branches, route.at)


def gathered(name: Field, rows: Sequence[tuple[tuple[int, int], Transfer]]) -> Transfer:
    """A search over disjoint ranges; what many of them have in common (the host's own addresses) is one test."""
    groups: dict[Transfer, list[tuple[int, int]]] = {}
    for pair, then in rows:
        groups.setdefault(then, []).append(pair)
    many = {then: pairs for then, pairs in groups.items() if len(pairs) > MANY}
    found = dispatch(name, [row for row in rows if row[1] not in many], KEEP) if many else dispatch(name, rows, KEEP)
    for then, pairs in many.items():
        found = If(In(name, normalised(pairs)), then, found)
    return found


def gateways(route: RouteFact) -> bool:
    """Whether every way of a route has a gateway (rt6_qualify_for_ecmp)."""
    return bool(route.next_hops) and all(hop.via is not None for hop in route.next_hops)


def precedence(route: RouteFact) -> tuple[int, int, int, int]:
    """The kernel's order among equal prefixes."""
    source = -route.source_prefix.length if route.source_prefix is not None else 0
    return source, -route.tos, route.metric, route.order


def towards(context: Context, route: RouteFact, hop: NextHop) -> Transfer:
    """NEXT_HOP: the gateway, or what stands for one of IPv6 (RFC 8950), else the destination itself."""
    if hop.via is not None and hop.via.family != route.destination.family:
        return Assign(Field.NEXT_HOP, six_routers.number(context, hop.via), route.at)
    if hop.via is not None:
        return Assign(Field.NEXT_HOP, hop.via.value, route.at)
    return Copy(Field.NEXT_HOP, Field.DESTINATION)


def done(context: Context, scope: Scope, device: str, route: RouteFact, hop: NextHop, own: bool) -> Transfer:
    """The packet, which this host sends itself (``own``) or forwards, leaves by a device."""
    fits = seq(sent(route.mtu, f"the route to {route.destination}", route.at), on_the_path(context, scope, device, route, own))
    way = Assign(Field.OUT_INTERFACE, context.names.number(device), route.at)
    begun = seq(loopback.kept_in(context, scope, device), by_route(context, scope, route)) if own else KEEP
    return seq(fits, begun, way, towards(context, route, hop), End(Return(), route.at))


def on_the_path(context: Context, scope: Scope, device: str, route: RouteFact, own: bool) -> Transfer:
    """The path MTUs that were learnt of single destinations of a route."""
    rows: dict[int, Transfer] = {}
    for value, (limit, at) in learnt(context.space(scope), device, context.family, own).items():
        if route.destination.value <= value <= route.destination.last:
            rows[value] = sent(limit, f"the path to {Address(context.family, value)}", at)
            context.assume(assumption(context.space(scope), str(Address(context.family, value)), limit))
    return by_value(Field.DESTINATION, rows, KEEP) if rows else KEEP


def output_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """The route of a packet that this host sends (ip_route_output_key_hash_rcu in net/ipv4/route.c). ``unbound``: the one by which the kernel
    chose its source; IPv6 makes nothing of a refusal, and asks again with the source (``ip6_dst_lookup_tail`` of net/ipv6/ip6_output.c)."""
    space = context.space(scope)
    several = of_several_links(space, context.family)

    def effect(route: RouteFact, hop: NextHop) -> Transfer:
        if route in several:
            return End(Unknown(f"by which device {scope} sends to a link-local address is up to the socket"), route.at)
        if route.kind in ("local", "anycast"):
            return done(context, scope, loopback.vrf_or_own(context, scope, hop), route, NextHop(), True)
        if hop.device is None:
            return End(Unknown(f"the device of the route to {route.destination} of {scope} is not known"), route.at)
        if hop.encap is not None:
            return End(Unknown(f"the encapsulation {hop.encap!r} of a route of {scope} is not modelled"), route.at)
        return done(context, scope, hop.device, route, hop, True)

    nothing = drop(f"{scope} has no route to the destination")
    if not detail:
        return LookUp(context, space, effect).rules(nothing)
    again = seq(call(scope, "route output"), End(Return())) if context.family == 6 else None
    return LookUp(context, space, effect, refuse=again, unbound=True).rules(again or nothing)


def input_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """The route of a packet that arrived (ip_route_input_slow). OUT_INTERFACE 0: for this host."""
    del detail
    space = context.space(scope)

    def effect(route: RouteFact, hop: NextHop) -> Transfer:
        if route.kind in ("local", "broadcast", "anycast"):
            return seq(Assign(Field.OUT_INTERFACE, 0), End(Return()))
        if hop.device is None or hop.encap is not None:
            return End(Unknown(f"the way of the route to {route.destination} of {scope} is not modelled"), route.at)
        return done(context, scope, hop.device, route, hop, False)

    return seq(uncut(context), LookUp(context, space, effect).rules(drop(f"{scope} has no route to the destination")))


def reverse_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """``strict DEVICE`` or ``loose DEVICE``: comes back when the way to the source is as rp_filter wants it (fib_validate_source)."""
    mode, _, device = detail.partition(" ")
    reason = f"{scope} drops the packet: its source is not reached by {device} (rp_filter)"

    def effect(route: RouteFact, _: NextHop) -> Transfer:
        if route.kind != "unicast":
            return drop(f"{scope} drops the packet: its source is one that only this host may send from")
        through = mode == "loose" or any(way.device == device for way in route.next_hops)
        return End(Return(), route.at) if through else End(Drop(reason), route.at)

    return LookUp(context, context.space(scope), effect, Field.SOURCE, Field.DESTINATION, drop(reason), True).rules(drop(reason))


def source_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """Comes back with SOURCE as the kernel chooses it for a packet to DESTINATION (fib_select_path, inet_select_addr; ipv6_dev_get_saddr)."""
    del detail
    space = context.space(scope)

    def effect(route: RouteFact, hop: NextHop) -> Transfer:
        if route.source is not None:
            return seq(Assign(Field.SOURCE, route.source.value, route.at), End(Return(), route.at))
        if route.kind == "local":
            same = seq(Copy(Field.SOURCE, Field.DESTINATION), End(Return(), route.at))
            return same if context.family == 4 else If(of_interfaces(space), same, of_device(context, scope, hop.device or "lo"))
        if hop.device is None:
            return End(Unknown(f"the device of the route to {route.destination} of {scope} is not known"), route.at)
        return seq(towards(context, route, hop), of_device(context, scope, hop.device, Field.NEXT_HOP))

    return LookUp(context, space, effect).rules(drop(f"{scope} has no route to the destination"))


def of_interfaces(space: Namespace) -> Match:
    """The destinations that are IPv6 addresses of interfaces, and not of networks that are local as a whole."""
    return In(Field.DESTINATION, normalised((fact.address.value,) * 2 for fact in space.addresses if fact.address.family == 6))


def of_device(context: Context, scope: Scope, device: str, towards: Field = Field.DESTINATION) -> Transfer:
    """SOURCE as a device's addresses are chosen."""
    return selection.chosen(context, scope, device, towards, lambda own: seq(Assign(Field.SOURCE, own.value), End(Return())))
