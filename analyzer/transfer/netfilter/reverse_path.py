"""``rpfilter`` in the language, where the kernel's own routing rules decide (net/ipv4/netfilter/ipt_rpfilter.c, ``rpfilter_lookup_reverse``;
net/ipv6/netfilter/ip6t_rpfilter.c, ``rpfilter_lookup_reverse6`` with ``rt6_device_match``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from analyzer.addresses import WIDTH, Prefix
from analyzer.facts.links import Vrf
from analyzer.facts.matches import ReversePathMatch
from analyzer.facts.routes import DEFAULT, LOCAL, MAIN, RouteFact
from analyzer.model.network import Namespace
from analyzer.ranges import Ranges, difference, intersection, normalised, single
from analyzer.transfer.ir import All, Any, Field, In, Match, Not
from analyzer.transfer.space import Context, everything, flattened

TABLES = (LOCAL, MAIN, DEFAULT)
ZERO = single(0)


def reverse_path(match: ReversePathMatch, context: Context, space: Namespace, open_test: Callable[[str], Match]) -> Match:
    """Whether the way to the packet's source leaves by the device that it came in by; open where policy routing decides."""
    if not plain(space, context.family):
        return open_test("the reverse path of the packet is as the rule asks")
    if context.family == 6:
        return reverse_path_six(match, context, space)
    kinds = ("unicast", "local") if match.accept_local else ("unicast",)
    by_device: dict[str, list[tuple[int, int]]] = {}
    loose = []
    for pair, (route, *_) in answers(space, 4):
        if route.kind in kinds:
            loose.append(pair)
            for device in dict.fromkeys(hop.device for hop in route.next_hops if hop.device):
                by_device.setdefault(device, []).append(pair)
    exempt = Any((In(Field.IN_INTERFACE, single(context.names.number("lo"))), In(Field.SOURCE, ZERO)))
    if match.loose:
        holds: Match = Any((exempt, In(Field.SOURCE, normalised(loose))))
    else:
        found = ((context.names.number(device), normalised(pairs)) for device, pairs in by_device.items())
        strict = [All((In(Field.IN_INTERFACE, single(number)), In(Field.SOURCE, sources))) for number, sources in found]
        holds = Any((exempt, *strict))
    return Not(holds) if match.inverted else holds


def reverse_path_six(match: ReversePathMatch, context: Context, space: Namespace) -> Match:
    """The same for IPv6: of the routes to one network the first by the device counts, else the first."""
    everywhere: list[tuple[int, int]] = []
    by_device: dict[str, dict[tuple[int, int], str]] = {}
    for pair, routes in answers(space, 6):
        if passing(match, routes[0]) and (match.loose or routes[0].kind == "local"):
            everywhere.append(pair)
        if not match.loose:
            for device, kind in ((hop.device, route.kind) for route in routes for hop in route.next_hops if hop.device):
                by_device.setdefault(device, {}).setdefault(pair, kind)
    exempt = Any((In(Field.IN_INTERFACE, single(context.names.number("lo"))), In(Field.SOURCE, ZERO)))
    found = (
        (context.names.number(device), normalised(pair for pair, kind in pairs.items() if kind == "unicast"))
        for device, pairs in by_device.items()
    )
    strict = [All((In(Field.IN_INTERFACE, single(number)), In(Field.SOURCE, sources))) for number, sources in found if sources]
    holds: Match = Any((exempt, In(Field.SOURCE, normalised(everywhere)), *strict))
    return Not(holds) if match.inverted else holds


def passing(match: ReversePathMatch, route: RouteFact) -> bool:
    """Whether a route lets a source pass, whatever device it is by."""
    return route.kind == "unicast" or (route.kind == "local" and match.accept_local)


def plain(space: Namespace, family: int) -> bool:
    """Whether the local, main and default tables are asked in that order for every packet, and are known."""
    rules = space.rules.get(family, ())
    usual = all(
        rule.action == "lookup"
        and rule.table in TABLES
        and not (rule.source or rule.destination or rule.mark or rule.in_interface or rule.out_interface or rule.unknown)
        and not (
            rule.inverted
            or rule.l3mdev
            or rule.protocol
            or rule.source_ports
            or rule.destination_ports
            or rule.tos
            or rule.user_ids
        )
        and rule.suppress_prefix_length is None
        and rule.suppress_group is None
        for rule in rules
    )
    order = [rule.table for rule in sorted(rules, key=lambda rule: rule.priority)]
    known = (
        not {f"ip-route/{family}", "ip-addr"} & space.missing.keys()
        and not space.gaps.get("ip-route")
        and not space.gaps.get("ip-rule")
    )
    vrf = any(isinstance(link.kind, Vrf) for link in space.links.values())
    tables = list(TABLES if family == 4 else TABLES[:2])
    return known and usual and order == tables and not vrf and all(simple(space, route) for route in every_route(space, family))


def every_route(space: Namespace, family: int) -> Iterator[RouteFact]:
    """The routes of the three tables."""
    for table in TABLES:
        yield from space.routes.get(family, {}).get(table, ())


def simple(space: Namespace, route: RouteFact) -> bool:
    """A route that holds for every packet, and whose ways are all up."""
    links = [space.links.get(hop.device or "") for hop in route.next_hops]
    up = all(link is not None and link.up for link in links) and not any(
        hop.flags & {"dead", "linkdown"} for hop in route.next_hops
    )
    alone = not route.tos and route.next_hop_id is None and route.source_prefix is None
    return alone and route.kind != "throw" and (up or route.kind != "unicast")


def answers(space: Namespace, family: int) -> Iterator[tuple[tuple[int, int], tuple[RouteFact, ...]]]:
    """Disjoint ranges of addresses, each with the routes to the narrowest network that holds them, the one of the lowest metric first."""
    left: Ranges = everything(WIDTH[family])
    for table in TABLES:
        best = of_each(space.routes.get(family, {}).get(table, ()))
        taken = []
        for pair, networks in flattened(tuple(best)):
            taken.append(pair)
            yield from ((piece, best[networks[-1]]) for piece in intersection(left, (pair,)))
        left = difference(left, normalised(taken))


def of_each(routes: tuple[RouteFact, ...]) -> dict[Prefix, tuple[RouteFact, ...]]:
    """The routes to each network, in the kernel's order."""
    found: dict[Prefix, tuple[RouteFact, ...]] = {}
    for route in sorted(routes, key=lambda route: (route.metric, route.order)):
        found[route.destination] = (*found.get(route.destination, ()), route)
    return found
