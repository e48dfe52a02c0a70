"""``rpfilter`` in the language, where the kernel's own routing rules decide (net/ipv4/netfilter/ipt_rpfilter.c, ``rpfilter_lookup_reverse``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from analyzer.addresses import Prefix
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
    """Whether the way to the packet's source leaves by the device that it came in by; open where policy routing or IPv6 decides."""
    if context.family == 6 or not plain(space):
        return open_test("the reverse path of the packet is as the rule asks")
    kinds = ("unicast", "local") if match.accept_local else ("unicast",)
    by_device: dict[str, list[tuple[int, int]]] = {}
    loose = []
    for pair, route in answers(space):
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


def plain(space: Namespace) -> bool:
    """Whether the local, main and default tables are asked in that order for every packet, and are known."""
    rules = space.rules.get(4, ())
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
        not {"ip-route/4", "ip-addr"} & space.missing.keys() and not space.gaps.get("ip-route") and not space.gaps.get("ip-rule")
    )
    vrf = any(isinstance(link.kind, Vrf) for link in space.links.values())
    return known and usual and order == list(TABLES) and not vrf and all(simple(space, route) for route in every_route(space))


def every_route(space: Namespace) -> Iterator[RouteFact]:
    """The routes of the three tables."""
    for table in TABLES:
        yield from space.routes.get(4, {}).get(table, ())


def simple(space: Namespace, route: RouteFact) -> bool:
    """A route that holds for every packet, and whose ways are all up."""
    links = [space.links.get(hop.device or "") for hop in route.next_hops]
    up = all(link is not None and link.up for link in links) and not any(
        hop.flags & {"dead", "linkdown"} for hop in route.next_hops
    )
    return not route.tos and route.next_hop_id is None and route.kind != "throw" and (up or route.kind != "unicast")


def answers(space: Namespace) -> Iterator[tuple[tuple[int, int], RouteFact]]:
    """Disjoint ranges of addresses, each with the route that is found for them."""
    left: Ranges = everything(32)
    for table in TABLES:
        best: Mapping[Prefix, RouteFact] = first_of_each(space.routes.get(4, {}).get(table, ()))
        taken = []
        for pair, networks in flattened(tuple(best)):
            taken.append(pair)
            yield from ((piece, best[networks[-1]]) for piece in intersection(left, (pair,)))
        left = difference(left, normalised(taken))


def first_of_each(routes: tuple[RouteFact, ...]) -> dict[Prefix, RouteFact]:
    """For each network the route of the lowest metric, of equal ones the first."""
    found: dict[Prefix, RouteFact] = {}
    for route in sorted(routes, key=lambda route: (route.metric, route.order)):
        found.setdefault(route.destination, route)
    return found
