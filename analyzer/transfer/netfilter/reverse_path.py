"""``rpfilter`` in the language, where the kernel's own routing rules decide (net/ipv4/netfilter/ipt_rpfilter.c, ``rpfilter_lookup_reverse``;
net/ipv6/netfilter/ip6t_rpfilter.c, ``rpfilter_lookup_reverse6`` with ``rt6_device_match``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from analyzer.addresses import WIDTH, Prefix
from analyzer.facts.links import Vrf
from analyzer.facts.matches import ReversePathMatch
from analyzer.facts.routes import DEFAULT, LOCAL, MAIN, RouteFact, RoutingRuleFact
from analyzer.model.gaps import ROUTING
from analyzer.model.network import Namespace
from analyzer.ranges import Ranges, difference, intersection, normalised, single
from analyzer.transfer.ir import All, Any, Bits, Field, In, Match, Not, Opaque
from analyzer.transfer.space import Context, everything, flattened, span_of

TABLES = (LOCAL, MAIN, DEFAULT)
ZERO = single(0)
SPECIAL = tuple(Prefix(4, value << 24, length) for value, length in ((0, 8), (224, 4), (255, 8)))
"""Destinations for which the question has no source (``rpfilter_get_saddr``)."""
NEVER: Match = Any(())
Step = tuple[Match | None, tuple[int, ...]]
"""A condition (None: always), and the tables that are asked then; none of them: refused."""


def reverse_path(match: ReversePathMatch, context: Context, space: Namespace, open_test: Callable[[str], Match]) -> Match:
    """Whether the way to the packet's source leaves by the device that it came in by; open where rules decide by what is not followed here."""
    if context.family == 6:
        holds = reverse_path_six(match, context, space) if plain(space, 6) else None
    else:
        holds = reverse_path_four(match, context, space)
    if holds is None:
        return open_test("the reverse path of the packet is as the rule asks")
    return Not(holds) if match.inverted else holds


def reverse_path_four(match: ReversePathMatch, context: Context, space: Namespace) -> Match | None:
    """By the rules, in their order: a table without a route leaves the question to the next."""
    steps = asked(match, space)
    if steps is None:
        return None
    holds: Match = Any(())
    for condition, tables in reversed(steps):
        found, passing = in_tables(match, context, space, tables)
        if condition is None:
            holds = Any((passing, All((Not(found), holds)))) if holds != Any(()) else passing
        else:
            holds = Any((All((condition, passing)), All((Not(All((condition, found))), holds))))
    exempt = Any((In(Field.IN_INTERFACE, single(context.names.number("lo"))), In(Field.SOURCE, ZERO)))
    return Any((exempt, holds))


def in_tables(match: ReversePathMatch, context: Context, space: Namespace, tables: tuple[int, ...]) -> tuple[Match, Match]:
    """Of tables that are asked one after the other: whether one has a route to the source, and whether that route is as the match wants it. No tables: it is refused."""
    if not tables:
        return All(()), Any(())
    kinds = ("unicast", "local") if match.accept_local else ("unicast",)
    by_device: dict[str, list[tuple[int, int]]] = {}
    every, loose = [], []
    for pair, (route, *_) in answers(space, 4, tables):
        every.append(pair)
        if route.kind in kinds:
            loose.append(pair)
            for device in dict.fromkeys(hop.device for hop in route.next_hops if hop.device):
                by_device.setdefault(device, []).append(pair)
    if match.loose:
        return In(Field.SOURCE, normalised(every)), In(Field.SOURCE, normalised(loose))
    found = ((context.names.number(device), normalised(pairs)) for device, pairs in by_device.items())
    strict = [All((In(Field.IN_INTERFACE, single(number)), In(Field.SOURCE, sources))) for number, sources in found]
    return In(Field.SOURCE, normalised(every)), Any(tuple(strict))


def asked(match: ReversePathMatch, space: Namespace) -> list[Step] | None:
    """Which tables are asked under which condition, in order; None where that is not known. Rules for the same tables that follow each other are one."""
    if {"ip-rule/4", "ip-addr"} & space.missing.keys() or any(map(space.gaps.get, ROUTING)):
        return None
    if any(isinstance(link.kind, Vrf) for link in space.links.values()):
        return None
    steps: list[Step] = []
    for rule in sorted(space.rules.get(4, ()), key=lambda rule: rule.priority):
        if rule.action == "nop":
            continue
        condition, table = condition_of(match, rule), rule.table
        lost = rule.action == "lookup" and (not isinstance(table, int) or not followed(space, table))
        if isinstance(condition, Opaque) or lost or rule.action == "goto":
            return None
        add(steps, condition, (table,) if rule.action == "lookup" and isinstance(table, int) else ())
    return steps


def add(steps: list[Step], condition: Match | None, tables: tuple[int, ...]) -> None:
    """Adds a rule to the steps, with the one before it where both ask the same."""
    last, before = steps[-1] if steps else (NEVER, ())
    if steps and condition is None and last is None and tables and before:
        steps[-1] = (None, (*before, *tables))
    elif steps and condition is not None and last is not None and tables == before:
        steps[-1] = (either(last, condition), tables)
    else:
        steps.append((condition, tables))


def either(one: Match, two: Match) -> Match:
    """One or the other; networks of one field are one set."""
    match one, two:
        case In(field, ranges), In(other, more) if field is other:
            return In(field, normalised((*ranges, *more)))
        case Any(parts), _:
            return Any((*parts[:-1], either(parts[-1], two))) if parts else two
        case _:
            return Any((one, two))


def condition_of(match: ReversePathMatch, rule: RoutingRuleFact) -> Match | None:
    """The packets whose way back is asked of a rule: the question is for the packet's source, from its destination, comes from ``lo`` and has no protocol and no ports.
    None: all; Opaque: what the rule looks at is not followed."""
    special = rule.source is not None and any(rule.source.overlaps(item) for item in SPECIAL if rule.source.length)
    if (
        rule.tos
        or rule.user_ids
        or rule.unknown
        or rule.l3mdev
        or special
        or rule.suppress_prefix_length is not None
        or rule.suppress_group
    ):
        return Opaque("the rule", rule.at)
    found: list[Match] = []
    if (
        rule.in_interface not in (None, "lo")
        or rule.out_interface
        or rule.protocol
        or rule.source_ports
        or rule.destination_ports
    ):
        found.append(NEVER)
    if rule.mark is not None and match.valid_mark:
        found.append(Bits(Field.MARK, rule.mask, rule.mark & rule.mask))
    elif rule.mark is not None and rule.mark & rule.mask:
        found.append(NEVER)
    for prefix, name in ((rule.source, Field.DESTINATION), (rule.destination, Field.SOURCE)):
        if prefix is not None and prefix.length:
            found.append(In(name, (span_of(prefix),)))
    if rule.inverted:
        return Not(All(tuple(found)))
    return None if not found else found[0] if len(found) == 1 else All(tuple(found))


def followed(space: Namespace, table: int) -> bool:
    """Whether a table is known, and its routes hold for every packet."""
    known = f"ip-route/4/{table}" not in space.missing and "ip-route/4" not in space.missing
    return known and all(simple(space, route) for route in space.routes.get(4, {}).get(table, ()))


def reverse_path_six(match: ReversePathMatch, context: Context, space: Namespace) -> Match:
    """The same for IPv6: of the routes to one network the first by the device counts, else the first."""
    everywhere: list[tuple[int, int]] = []
    by_device: dict[str, dict[tuple[int, int], str]] = {}
    for pair, routes in answers(space, 6, TABLES):
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
    return Any((exempt, In(Field.SOURCE, normalised(everywhere)), *strict))


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
    known = not {f"ip-route/{family}", "ip-addr"} & space.missing.keys() and not any(map(space.gaps.get, ROUTING))
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


def answers(space: Namespace, family: int, tables: tuple[int, ...]) -> Iterator[tuple[tuple[int, int], tuple[RouteFact, ...]]]:
    """Disjoint ranges of addresses, each with the routes to the narrowest network that holds them, the one of the lowest metric first."""
    left: Ranges = everything(WIDTH[family])
    for table in tables:
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
