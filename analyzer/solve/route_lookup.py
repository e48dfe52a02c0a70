"""Routing decisions: rules by priority, tables, the longest prefix, and the choice among several ways.

After ``fib_rules_lookup`` (net/core/fib_rules.c), ``fib4_rule_match`` and ``fib4_rule_suppress`` (net/ipv4/fib_rules.c),
``fib_table_lookup`` (net/ipv4/fib_trie.c) and ``fib_select_path`` (net/ipv4/fib_semantics.c); for IPv6 net/ipv6/ip6_fib.c and fib6_rules.c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from analyzer.addresses import WIDTH, Address
from analyzer.facts.routes import NextHop, RouteFact, RoutingRuleFact
from analyzer.solve.gaps import could_concern
from analyzer.solve.packet import SCTP, TCP, UDP, Packet
from analyzer.solve.walk_index import Space
from analyzer.solve.walk_state import Walk
from analyzer.source import Span

REFUSALS = {
    "blackhole": "a blackhole route",
    "unreachable": "an unreachable route",
    "prohibit": "a prohibit route",
}


class Query(NamedTuple):
    """What is looked up: ``in_device`` is ``lo`` for packets that this namespace sends. Addresses are integers, 0 where not known yet.

    ``link_state``: whether ways without a carrier are left out where the switch says so."""

    family: int
    destination: int
    source: int = 0
    mark: int = 0
    in_device: str = "lo"
    out_device: str = ""
    protocol: int = 0
    source_port: int = 0
    destination_port: int = 0
    link_state: bool = True

    @staticmethod
    def of(packet: Packet, in_device: str = "lo", out_device: str = "") -> Query:
        """The query of a packet."""
        ports = packet.protocol in (TCP, UDP, SCTP)
        return Query(
            packet.family,
            packet.destination,
            packet.source,
            packet.mark,
            in_device,
            out_device,
            packet.protocol,
            packet.source_port if ports else 0,
            packet.destination_port if ports else 0,
        )


class Route(NamedTuple):
    """A route that was found, the ways of it that can be used, and the rule that led to it."""

    fact: RouteFact
    ways: tuple[NextHop, ...]
    rule: RoutingRuleFact

    @property
    def kind(self) -> str:
        """``unicast``, ``local``, ``broadcast`` …"""
        return self.fact.kind

    @property
    def words(self) -> str:
        """The route as ``ip route`` would show it, for a hop."""
        return words(self.fact, self.ways[0] if len(self.ways) == 1 else None)


@dataclass(frozen=True, slots=True)
class Refused:
    """No route, or one that refuses. ``silent``: a blackhole, of which the sender hears nothing."""

    reason: str
    at: Span | None = None
    silent: bool = False


@dataclass(frozen=True, slots=True)
class NotKnown:
    """The routes cannot be known."""

    reason: str
    at: Span | None = None
    settle: str = ""


Answer = Route | Refused | NotKnown


def words(fact: RouteFact, way: NextHop | None = None) -> str:
    """A route in words."""
    kind = "" if fact.kind == "unicast" else f"{fact.kind} "
    way = way or (fact.next_hops[0] if fact.next_hops else NextHop())
    whole = fact.destination.length == 0
    target = "default" if whole else str(Address(fact.destination.family, fact.destination.value))
    if not whole and fact.destination.length < WIDTH[fact.destination.family]:
        target = str(fact.destination)
    parts = [kind + target]
    parts += [f"via {way.via}"] if way.via else []
    parts += [f"dev {way.device}"] if way.device else []
    parts += ["onlink"] if "onlink" in way.flags else []
    return " ".join(parts)


def look_up(walk: Walk, space: Space, query: Query) -> Answer:
    """The route for a query."""
    missing = space.namespace.missing.get(f"ip-route/{query.family}")
    if missing:
        return NotKnown(f"the routes of {space.place} are not known: {missing}", None, missing)
    if (doubt := gap(walk, space, Address(query.family, query.destination))) is not None:
        return doubt
    rules = space.namespace.rules.get(query.family, ())
    position, end = 0, len(rules)
    while position < end:
        rule = rules[position]
        position += 1
        if rule.action == "nop" or not matches(walk, space, rule, query):
            continue
        if rule.action == "goto":
            position = next((i for i in range(position, end) if rules[i].priority == rule.target), end)
            continue
        found = by_rule(walk, space, rule, query)
        if found is not None:
            return found
    return Refused(f"{space.place} has no route to {Address(query.family, query.destination)}", place_of_routes(space, query))


def place_of_routes(space: Space, query: Query) -> Span | None:
    """Where the main table stands: a refusal points there."""
    routes = space.namespace.routes.get(query.family, {}).get(254, ())
    return routes[0].at if routes else None


def gap(walk: Walk, space: Space, destination: Address) -> NotKnown | None:
    """A line of the routes or rules that was not understood could decide."""
    walk.taken_for_granted(space, f"ip-rule/{destination.family}")
    for kind in ("ip-route", "ip-rule"):
        for found in space.namespace.gaps.get(kind, ()):
            if kind == "ip-route" and not could_concern(walk.index.network.sources, found, destination):
                continue
            text = f"the line of {space.place} that was not understood ({found.reason}) does not change the route"
            if not walk.oracle.test(text, found.at, f"{found.at}: {found.reason}"):
                return NotKnown(f"{found.at} was not understood: {found.reason}", found.at)
    return None


def by_rule(walk: Walk, space: Space, rule: RoutingRuleFact, query: Query) -> Answer | None:
    """What a rule that matches leads to; None: the next rule is asked."""
    if rule.action in REFUSALS:
        silent = rule.action == "blackhole"
        return Refused(f"the routing rule {rule.priority} of {space.place} is {rule.action}", rule.at, silent)
    table = rule.table if isinstance(rule.table, int) else None
    if rule.l3mdev:
        vrf = space.vrf_of(query.out_device) or space.vrf_of(query.in_device)
        table = vrf[1] if vrf else None
    if table is None:
        return None
    missing = space.namespace.missing.get(f"ip-route/{query.family}/{table}")
    if missing:
        text = f"routing table {table} of {space.place} has no route for {Address(query.family, query.destination)} ({missing})"
        if not walk.oracle.test(text, rule.at, missing):
            return NotKnown(f"routing table {table} of {space.place} is not known: {missing}", rule.at, missing)
        return None
    found = in_table(space, table, query, rule)
    if isinstance(found, Route) and suppressed(rule, found):
        return None
    return found


def suppressed(rule: RoutingRuleFact, found: Route) -> bool:
    """``suppress_prefixlength``: routes that are not longer do not count."""
    limit = rule.suppress_prefix_length
    return limit is not None and limit >= 0 and found.fact.destination.length <= limit


def matches(walk: Walk, space: Space, rule: RoutingRuleFact, query: Query) -> bool:
    """``fib_rule_match`` and ``fib4_rule_match``."""
    if rule.source is None and rule.destination is None and rule.mark is None and not selective(rule):
        return not rule.inverted
    hit = plain_match(space, rule, query) and port_match(rule, query)
    if hit and rule.user_ids is not None:
        low, high = rule.user_ids
        text = f"the user that sends is within {low}-{high}, as routing rule {rule.priority} of {space.place} wants"
        hit = low <= 0 <= high if query.in_device != "lo" else walk.oracle.test(text, rule.at, "the user of the process")
    if hit and rule.unknown:
        text = f"routing rule {rule.priority} of {space.place} matches the packet by {' '.join(rule.unknown)}"
        hit = walk.oracle.test(text, rule.at, "a selector that is not understood")
    return hit != rule.inverted


def selective(rule: RoutingRuleFact) -> bool:
    """Whether a rule has a selector besides addresses and mark."""
    return bool(
        rule.in_interface
        or rule.out_interface
        or rule.protocol
        or rule.source_ports
        or rule.destination_ports
        or rule.tos
        or rule.user_ids
        or rule.l3mdev
        or rule.unknown
    )


def plain_match(space: Space, rule: RoutingRuleFact, query: Query) -> bool:
    """Interfaces, mark and addresses."""
    vrf_in, vrf_out = space.vrf_of(query.in_device), space.vrf_of(query.out_device)
    if rule.in_interface and rule.in_interface not in (query.in_device, vrf_in[0] if vrf_in else ""):
        return False
    if rule.out_interface and rule.out_interface not in (query.out_device, vrf_out[0] if vrf_out else ""):
        return False
    if rule.l3mdev and not (vrf_in or vrf_out):
        return False
    if rule.mark is not None and (rule.mark ^ query.mark) & rule.mask:
        return False
    if rule.source and not rule.source.covers(Address(query.family, query.source)):
        return False
    return not rule.destination or rule.destination.covers(Address(query.family, query.destination))


def port_match(rule: RoutingRuleFact, query: Query) -> bool:
    """Type of service (always 0 here), protocol and ports."""
    if rule.tos or (rule.protocol and rule.protocol != query.protocol):
        return False
    for wanted, port in ((rule.source_ports, query.source_port), (rule.destination_ports, query.destination_port)):
        if wanted and not wanted[0] <= port <= wanted[1]:
            return False
    return True


def in_table(space: Space, table: int, query: Query, rule: RoutingRuleFact) -> Answer | None:
    """The longest prefix with a way that can be used; None: the table has none, or throws."""
    width = WIDTH[query.family]
    for length, by_bits in space.table(query.family, table):
        for fact in by_bits.get(query.destination >> (width - length), ()):
            if fact.tos or (fact.source_prefix and not fact.source_prefix.covers(Address(query.family, query.source))):
                continue
            if fact.kind == "throw":
                return None
            if fact.kind in REFUSALS:
                text = f"{space.place} has {REFUSALS[fact.kind]} for {fact.destination}"
                return Refused(text, fact.at, fact.kind == "blackhole")
            ways = usable(space, fact, query)
            if ways:
                return Route(fact, ways, rule)
    return None


def usable(space: Space, fact: RouteFact, query: Query) -> tuple[NextHop, ...]:
    """The ways of a route that the kernel considers (``fib_lookup_good_nhc``)."""
    if fact.kind == "local":
        return fact.next_hops or (NextHop(device="lo"),)
    return tuple(way for way in fact.next_hops if good(space, way, query))


def good(space: Space, way: NextHop, query: Query) -> bool:
    """Whether a way can be used: alive, of the wanted device, and with a carrier where that is asked for."""
    if not way.usable or (query.out_device and way.device != query.out_device and not enslaved(space, way, query)):
        return False
    link = space.links.get(way.device or "")
    if link is None:
        return True
    if not link.up:
        return False
    down = "linkdown" in way.flags or "NO-CARRIER" in link.flags
    ignore = space.either(query.family, link.name, "ignore_routes_with_linkdown")
    return not (down and ignore and query.link_state)


def enslaved(space: Space, way: NextHop, query: Query) -> bool:
    """Whether the wanted device is the VRF of the way's."""
    vrf = space.vrf_of(way.device or "")
    return vrf is not None and vrf[0] == query.out_device


def chosen(walk: Walk, space: Space, route: Route, query: Query) -> Route:
    """One of several ways (``fib_select_multipath``): the network's choice."""
    ways = route.ways
    if len(ways) > 1:
        target = Address(query.family, query.destination)
        text = f"{space.place} chooses among {len(ways)} ways to {target}"
        ways = (ways[walk.oracle.choose(len(ways), text, route.fact.at)],)
    return route._replace(ways=ways[:1])
