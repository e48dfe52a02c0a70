"""Routes by family and table, routing rules by priority, next-hop objects: with the names of tables resolved."""

from __future__ import annotations

import zlib
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from analyzer.addresses import WIDTH, Address, Prefix, host_prefix, prefix_of
from analyzer.copies import altered
from analyzer.facts.links import AddressFact, LinkFact, Vrf
from analyzer.facts.routes import DEFAULT, LOCAL, MAIN, NextHop, NextHopFact, RouteFact, RoutingRuleFact, TableNameFact
from analyzer.model.merging import contradiction
from analyzer.source import Gap, Scope, Span

KERNEL = Span("(kernel default)", 1)
NAMES = {"main": MAIN, "local": LOCAL, "default": DEFAULT, "unspec": 0}
Tables = dict[int, dict[int, tuple[RouteFact, ...]]]
Listings = Mapping[tuple[str, int], list[RouteFact]]
"""The routes of one table by path and number of their listing."""


@dataclass(frozen=True, slots=True)
class Routing:
    """What a namespace routes by."""

    routes: Mapping[int, Mapping[int, tuple[RouteFact, ...]]]
    rules: Mapping[int, tuple[RoutingRuleFact, ...]]
    next_hops: Mapping[int, NextHopFact]
    gaps: list[Gap] = field(default_factory=list)


def table_number(table: int | str, names: Mapping[str, int]) -> int:
    """A table's number; a name that rt_tables does not tell gets a number of its own, above all that the kernel has."""
    if isinstance(table, int):
        return table
    return names.get(table, (1 << 32) + zlib.crc32(table.encode("utf-8", "replace")))


def table_names(facts: Sequence[TableNameFact]) -> dict[str, int]:
    """The numbers of tables by name."""
    return {**{fact.name: fact.number for fact in facts}, **NAMES}


def routing(
    routes: Sequence[RouteFact],
    rules: Sequence[RoutingRuleFact],
    next_hops: Sequence[NextHopFact],
    names: Mapping[str, int],
) -> Routing:
    """Routes, rules and next-hop objects of one namespace."""
    objects: dict[int, NextHopFact] = {}
    for fact in next_hops:
        objects.setdefault(fact.identifier, fact)
    gaps: list[Gap] = []
    resolved = [resolve(route, objects, names, gaps) for route in routes]
    gaps += unnamed(routes, rules, names)
    return Routing(
        tables(resolved, gaps),
        by_family(rules, names, {route.table for route in resolved}, gaps),
        dict(sorted(objects.items())),
        gaps,
    )


def unnamed(routes: Sequence[RouteFact], rules: Sequence[RoutingRuleFact], names: Mapping[str, int]) -> Iterator[Gap]:
    """A gap for each route in a table of a name that nothing else has."""
    asked = {rule.table for rule in rules}
    for route in routes:
        if isinstance(route.table, str) and route.table not in names and route.table not in asked and rules:
            yield Gap(route.at, f"no rule asks a table {route.table!r}, and no rt_tables has one", "ip-route", route.scope)


def resolve(route: RouteFact, objects: Mapping[int, NextHopFact], names: Mapping[str, int], gaps: list[Gap]) -> RouteFact:
    """The route with its table's number and the ways of its next-hop object."""
    if not isinstance(route.table, int):
        route = replace(route, table=table_number(route.table, names))
    if route.next_hop_id is None or route.next_hops:
        return route
    fact = objects.get(route.next_hop_id)
    if fact is not None and fact.blackhole:
        return replace(route, kind="blackhole")
    hops = ways(fact, objects) if fact else ()
    if not hops:
        text = f"the next-hop object {route.next_hop_id} of the route to {route.destination} was not captured (ip nexthop)"
        gaps.append(Gap(route.at, text, "ip-route", route.scope))
    return replace(route, next_hops=hops)


def ways(fact: NextHopFact, objects: Mapping[int, NextHopFact]) -> tuple[NextHop, ...]:
    """The ways of a next-hop object: its own, or those of its group's members (groups do not nest, net/ipv4/nexthop.c)."""
    if fact.next_hop is not None:
        return (fact.next_hop,)
    members = ((objects.get(identifier), weight) for identifier, weight in fact.group)
    return tuple(replace(one.next_hop, weight=weight) for one, weight in members if one and one.next_hop)


def tables(routes: Sequence[RouteFact], gaps: list[Gap]) -> Tables:
    """The routes by family and table. Of several listings of one table the longest decides about the order."""
    found: dict[tuple[int, int], dict[tuple[str, int], list[RouteFact]]] = {}
    for listing, route in by_listing(routes):
        key = (route.destination.family, route.table if isinstance(route.table, int) else 0)
        found.setdefault(key, {}).setdefault(listing, []).append(route)
    result: Tables = {}
    for (family, table), listings in sorted(found.items()):
        result.setdefault(family, {})[table] = one_listing(with_made(listings), gaps)
    return result


def by_listing(routes: Iterable[RouteFact]) -> Iterator[tuple[tuple[str, int], RouteFact]]:
    """Each route with its listing: the path, and which of those that stand there (a session's, say), as each numbers its routes from 0."""
    last: dict[str, tuple[int, int]] = {}
    for route in routes:
        number, order = last.get(route.at.path, (0, -1))
        number += route.order <= order
        last[route.at.path] = number, route.order
        yield (route.at.path, number), route


def with_made(listings: Listings) -> Listings:
    """The listings, with what stands in no text (routes that an edit makes, whose place is in brackets) behind the routes of the longest."""
    listed = {key: routes for key, routes in listings.items() if not key[0].startswith("(")}
    made = [route for key, routes in listings.items() if key not in listed for route in routes]
    if not listed or not made:
        return listings
    longest = min(listed, key=lambda key: (-len(listed[key]), key))
    return {**listed, longest: [*listed[longest], *made]}


def one_listing(listings: Listings, gaps: list[Gap]) -> tuple[RouteFact, ...]:
    """One table from all listings of it, its routes numbered from 0."""
    ranked = sorted(listings.items(), key=lambda item: (-len(item[1]), item[0]))
    (path, _), first = ranked[0]
    chosen = {identity(route): route for route in reversed(first)} if ranked[1:] else {}
    more: list[RouteFact] = []
    for (other, _), routes in ranked[1:]:
        where = path if path != other else f"the listing at {first[0].at}"
        for route in routes:
            known = chosen.setdefault(identity(route), route)
            if known is route:
                text = f"the route to {route.destination} stands here and not in {where}; both are kept"
                gaps.append(Gap(route.at, text, "ip-route", route.scope))
                more.append(route)
            gaps += contradiction(known, route, f"the route to {route.destination}", ("source", "mtu"), "ip-route")
    ordered = enumerate((*first, *more))
    return tuple(route if route.order == order else altered(route, order=order) for order, route in ordered)


def identity(route: RouteFact) -> tuple[object, ...]:
    """What makes two lines the same route."""
    hops = tuple((hop.via, hop.device) for hop in route.next_hops)
    return route.destination, route.kind, route.metric, route.tos, route.source_prefix, hops


def by_family(
    rules: Sequence[RoutingRuleFact], names: Mapping[str, int], listed: Container[int | str], gaps: list[Gap]
) -> dict[int, tuple[RoutingRuleFact, ...]]:
    """The rules by family and priority, each once; rules of one priority stay in the order of the text. A table's name that nothing else has is a gap."""
    result: dict[int, dict[RoutingRuleFact, None]] = {}
    for rule in rules:
        if isinstance(rule.table, str):
            number = table_number(rule.table, names)
            if rule.table not in names and number not in listed:
                text = f"no route of a table {rule.table!r} was captured, and no rt_tables that has one"
                gaps.append(Gap(rule.at, text, "ip-rule", rule.scope))
            rule = replace(rule, table=number)
        result.setdefault(rule.family, {}).setdefault(rule)
    return {family: tuple(sorted(found, key=lambda rule: rule.priority)) for family, found in sorted(result.items())}


def default_rules(family: int, scope: Scope) -> tuple[RoutingRuleFact, ...]:
    """What the kernel starts with (fib_default_rules_init; fib6_rules_net_init has no table ``default``)."""
    wanted = [(0, LOCAL), (32766, MAIN)] + ([(32767, DEFAULT)] if family == 4 else [])
    return tuple(
        RoutingRuleFact(at=KERNEL, scope=scope, family=family, priority=priority, table=table) for priority, table in wanted
    )


def told_by_routes(routes: Mapping[int, Mapping[int, Sequence[RouteFact]]]) -> Iterator[Address]:
    """The addresses for which there is a local route, as the kernel keeps one for each (``fib_add_ifaddr``, ``addrconf_dad_completed``)."""
    for family in (4, 6):
        for route in routes.get(family, {}).get(LOCAL, ()):
            of = route.destination
            loopback = of.value >> 24 == 127 if family == 4 else of.value == 1
            if route.kind == "local" and of.length == WIDTH[family] and not loopback:
                yield Address(family, of.value)


def local_table(
    family: int, addresses: Sequence[AddressFact], links: Mapping[str, LinkFact], scope: Scope
) -> tuple[RouteFact, ...]:
    """The local table as the kernel makes it from the addresses (fib_add_ifaddr in net/ipv4/fib_frontend.c; addrconf for IPv6)."""
    found: list[RouteFact] = []
    for fact in addresses:
        width = WIDTH[family]
        if fact.address.family != family or not 0 <= fact.length <= width or in_vrf(fact.device, links):
            continue
        link = links.get(fact.device)
        loopback = family == 4 and (fact.address.value >> 24 == 127 or (link is not None and "LOOPBACK" in link.flags))
        own = prefix_of(fact.address, fact.length) if loopback else host_prefix(fact.address)
        found.append(local_route(fact, own, "local", scope))
        if family == 4 and fact.length < 31 and not loopback and link is not None and link.up:
            network = prefix_of(fact.address, fact.length)
            ends = (Address(4, network.last), *((Address(4, network.value),)))
            found += [local_route(fact, host_prefix(end), "broadcast", scope) for end in ends]
    unique = {(route.destination, route.kind, route.next_hops): route for route in reversed(found)}
    return tuple(altered(route, order=order) for order, route in enumerate(reversed(unique.values())))


def in_vrf(device: str, links: Mapping[str, LinkFact]) -> bool:
    """Whether a device belongs to a VRF: its local routes are then in the VRF's table (fib_magic)."""
    link = links.get(device)
    master = links.get(link.master or "") if link else None
    return master is not None and isinstance(master.kind, Vrf)


def local_route(fact: AddressFact, destination: Prefix, kind: str, scope: Scope) -> RouteFact:
    """One route of the local table, at the place of its address."""
    return RouteFact(
        at=fact.at,
        scope=scope,
        destination=destination,
        kind=kind,
        table=LOCAL,
        next_hops=(NextHop(device=fact.device),),
        source=fact.address,
        scope_name="host" if kind == "local" else "link",
        protocol="kernel",
    )


def own_local_routes(routes: Mapping[int, Sequence[RouteFact]]) -> bool:
    """Whether somebody made a local route of IPv4: sources are then looked up, and not held against addresses alone (``fib_has_custom_local_routes``,
    which ``inet_rtm_newroute`` of net/ipv4/fib_frontend.c sets). Routes without a protocol are ``boot`` ones."""
    return any(route.kind == "local" and route.protocol != "kernel" for table in routes.values() for route in table)


UNMERGED = "no routing rule but the kernel's own was ever added, so that its tables local and main are searched as one"


def searched_as_one(
    routes: Mapping[int, tuple[RouteFact, ...]], rules: Sequence[RoutingRuleFact]
) -> Mapping[int, tuple[RouteFact, ...]] | None:
    """The tables of IPv4 as they are searched until a rule is added: ``local`` and ``main`` are one trie then, in which the longest prefix wins
    (``fib_lookup`` in include/net/ip_fib.h, ``fib_trie_table`` and ``fib_unmerge`` in net/ipv4). A route of ``local`` is without what routes of ``main``
    within it are for; where it throws, it throws in ``main`` too, before an equal route there. None: it makes no difference, or there are other rules."""
    own = [(rule.priority, rule.table) for rule in rules if rule.action == "lookup" and rule.family == 4]
    if own != [(0, LOCAL), (32766, MAIN), (32767, DEFAULT)] or len(own) != len(rules):
        return None
    wide = [route for route in routes.get(LOCAL, ()) if route.destination.length < WIDTH[4] and route.kind != "throw"]
    inner = {route: within(route.destination, routes.get(MAIN, ())) for route in wide}
    thrown = tuple(altered(route, order=-1, metric=0) for route in routes.get(LOCAL, ()) if route.kind == "throw")
    if not any(inner.values()) and not thrown:
        return None
    found = [part for route in routes[LOCAL] for part in parts_of(route, inner.get(route, []))]
    local = tuple(altered(route, order=order) for order, route in enumerate(found))
    return {**routes, LOCAL: local, MAIN: (*thrown, *routes.get(MAIN, ()))}


def within(outer: Prefix, routes: Iterable[RouteFact]) -> list[Prefix]:
    """The networks of routes that are parts of another."""
    return sorted(
        {one.destination for one in routes if one.destination.length > outer.length and outer.overlaps(one.destination)}
    )


def parts_of(route: RouteFact, inner: Sequence[Prefix]) -> Iterator[RouteFact]:
    """A route for its network without those within it."""
    if not inner:
        yield route
        return
    left = [route.destination]
    for one in inner:
        left = [part for outer in left for part in without(outer, one)]
    yield from (altered(route, destination=part) for part in left)


def without(outer: Prefix, inner: Prefix) -> Iterator[Prefix]:
    """The networks that are left of one without another: its halves on the way to that."""
    if not outer.overlaps(inner):
        yield outer
        return
    width = WIDTH[outer.family]
    for length in range(outer.length + 1, inner.length + 1):
        bit = 1 << (width - length)
        other = (inner.value ^ bit) >> (width - length) << (width - length)
        yield Prefix(outer.family, other, length)
