"""``addrtype`` in the language: what the local routing table says of an address (net/ipv4/fib_frontend.c ``inet_addr_type_dev_table``)."""

from __future__ import annotations

from collections.abc import Callable

from analyzer.addresses import Prefix
from analyzer.facts.matches import AddressTypeMatch, Side
from analyzer.facts.routes import LOCAL, RouteFact
from analyzer.model.network import Namespace
from analyzer.ranges import EMPTY, Ranges, difference, normalised, single, union
from analyzer.transfer.ir import All, Any, Field, In, Match, Not
from analyzer.transfer.space import Context, everything, flattened

Open = Callable[[str], Match]
KINDS = {"LOCAL": "local", "BROADCAST": "broadcast", "ANYCAST": "anycast", "MULTICAST": "multicast"}
ZERO, GROUPS, ALL_ONES = (0, 0), (0xE0000000, 0xEFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF)


def address_type(match: AddressTypeMatch, context: Context, space: Namespace, open_test: Open) -> Match:
    """xt_addrtype.c ``addrtype_mt_v1``."""
    if "ip-addr" in space.missing and LOCAL not in space.routes.get(context.family, {}):
        return open_test(f"the address is {' or '.join(sorted(match.types))} ({space.missing['ip-addr']})")
    field = Field.SOURCE if match.side is Side.SOURCE else Field.DESTINATION
    if match.limit:
        own = limited(match, field, context, space, open_test)
    else:
        own = of_types(match.types, field, None, context, space, open_test)
    return Not(own) if match.negated else own


def limited(match: AddressTypeMatch, field: Field, context: Context, space: Namespace, open_test: Open) -> Match:
    """Only the addresses of the device that the packet came in or goes out by are its own types."""
    by = Field.IN_INTERFACE if match.limit == "in" else Field.OUT_INTERFACE
    devices = list(space.links)
    numbers = {device: context.names.number(device) for device in devices}
    found: list[Match] = [
        All((In(by, single(numbers[device])), of_types(match.types, field, device, context, space, open_test)))
        for device in devices
    ]
    other = Not(In(by, normalised((number, number) for number in numbers.values())))
    return Any((*found, All((other, of_types(match.types, field, None, context, space, open_test)))))


def of_types(
    types: frozenset[str], field: Field, device: str | None, context: Context, space: Namespace, open_test: Open
) -> Match:
    """Whether the address is of one of the types."""
    if context.family == 6:
        return of_types6(types, field, device, space, open_test)
    found: Ranges = EMPTY
    for name in sorted(types):
        found = union(found, ranges_of(name, device, space))
    return In(field, found)


def ranges_of(name: str, device: str | None, space: Namespace) -> Ranges:
    """The IPv4 addresses of one type."""
    fixed = normalised([ZERO, ALL_ONES, GROUPS])
    if name == "UNICAST":
        taken = fixed
        for kind in KINDS.values():
            taken = union(taken, of_kind(4, kind, device, space))
        return difference(everything(32), taken)
    own = difference(of_kind(4, KINDS.get(name, name.lower()), device, space), fixed)
    extra = {"BROADCAST": normalised([ZERO, ALL_ONES]), "MULTICAST": (GROUPS,)}.get(name, EMPTY)
    return union(own, extra)


def of_types6(types: frozenset[str], field: Field, device: str | None, space: Namespace, open_test: Open) -> Match:
    """``match_type6``: MULTICAST, UNICAST and UNSPEC must all hold, of the types that a route tells one must."""
    groups = In(field, ((0xFF << 120, (1 << 128) - 1),))
    tests: list[Match] = []
    if "MULTICAST" in types:
        tests.append(groups)
    if "UNICAST" in types:
        tests += [Not(groups), Not(In(field, single(0)))]
    if "UNSPEC" in types:
        tests.append(In(field, single(0)))
    told: list[Match] = [In(field, of_kind(6, KINDS[name], device, space)) for name in ("LOCAL", "ANYCAST") if name in types]
    if "UNREACHABLE" in types:
        told.append(open_test("the address is UNREACHABLE"))
    return All((*tests, Any(tuple(told)))) if told else All(tuple(tests))


def of_kind(family: int, kind: str, device: str | None, space: Namespace) -> Ranges:
    """The addresses whose most specific route of the local table is of a kind (and, where one is given, of a device)."""
    best: dict[Prefix, RouteFact] = {}
    for route in space.routes.get(family, {}).get(LOCAL, ()):
        known = best.get(route.destination)
        if known is None or (route.metric, route.order) < (known.metric, known.order):
            best[route.destination] = route
    pairs = [
        pair
        for pair, networks in flattened(tuple(best))
        if best[networks[-1]].kind == kind
        and (device is None or any(hop.device == device for hop in best[networks[-1]].next_hops))
    ]
    return normalised(pairs)
