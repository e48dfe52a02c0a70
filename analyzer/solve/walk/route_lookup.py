"""Routing decisions: rules by priority, tables, the longest prefix, and the choice among several ways.

After ``fib_rules_lookup`` (net/core/fib_rules.c), ``fib4_rule_match`` and ``fib4_rule_suppress`` (net/ipv4/fib_rules.c),
``fib_table_lookup`` (net/ipv4/fib_trie.c) and ``fib_select_path`` (net/ipv4/fib_semantics.c); for IPv6 net/ipv6/ip6_fib.c and fib6_rules.c.
"""

from __future__ import annotations

from analyzer.addresses import WIDTH, Address
from analyzer.facts.routes import NextHop, RouteFact, RoutingRuleFact
from analyzer.model.gaps import ROUTING, could_concern
from analyzer.model.service_types import ROUTED, SENT
from analyzer.solve.packet import Packet
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.route_answers import REFUSALS, Answer, Memory, NotKnown, Query, Refused, Route
from analyzer.solve.walk.state import Walk
from analyzer.source import Span

RULES = {4: "ip-rule/4", 6: "ip-rule/6"}


def route_of(walk: Walk, space: Space, packet: Packet, in_device: str = "lo") -> Answer:
    """The route for a packet that the namespace sends, or that came in on a device."""
    found = memory_of(space, packet.family).answers.get((packet.destination, "", True))
    if found is None:
        return look_up(walk, space, Query.of(packet, in_device))
    walk.taken_for_granted(space, RULES[packet.family])
    return found


def look_up(walk: Walk, space: Space, query: Query) -> Answer:
    """The route for a query: remembered where the destination alone decides."""
    memory = memory_of(space, query.family)
    found = memory.answers.get((query.destination, query.out_device, query.link_state))
    if found is not None:
        walk.taken_for_granted(space, RULES[query.family])
        return found
    found = searched(walk, space, query)
    if memory.plain:
        memory.keep(query, found)
    return found


def memory_of(space: Space, family: int) -> Memory:
    """What the namespace's routing answered so far."""
    found = space.memories.get(family)
    if found is None:
        found = space.memories[family] = Memory(plain(space, family))
    return found


def plain(space: Space, family: int) -> bool:
    """Whether the destination alone decides on the route: no rule selects, no route names a source, nothing is not known."""
    namespace = space.namespace
    if any(key.startswith(f"ip-route/{family}") for key in namespace.missing) or any(map(namespace.gaps.get, ROUTING)):
        return False
    if not all(everything(rule) for rule in namespace.rules.get(family, ())):
        return False
    return all(
        fact.source_prefix is None and not fact.tos for facts in namespace.routes.get(family, {}).values() for fact in facts
    )


def searched(walk: Walk, space: Space, query: Query) -> Answer:
    """The route for a query, by rules and tables."""
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
    """Lines of the routes or rules that were not understood could decide; the first of them stands for all."""
    walk.taken_for_granted(space, f"ip-rule/{destination.family}")
    sources = walk.index.network.sources
    lines = ((kind, one) for kind in ROUTING for one in space.namespace.gaps.get(kind, ()))
    found = next((one for kind, one in lines if kind == "ip-rule" or could_concern(sources, one, destination)), None)
    if found is None:
        return None
    text = f"the line of {space.place} that was not understood ({found.reason}) does not change the route"
    if walk.oracle.test(text, found.at, f"{found.at}: {found.reason}"):
        return None
    return NotKnown(f"{found.at} was not understood: {found.reason}", found.at)


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
    found = in_table(walk, space, table, query, rule)
    if isinstance(found, Route) and suppressed(rule, found):
        return None
    return found


def suppressed(rule: RoutingRuleFact, found: Route) -> bool:
    """``suppress_prefixlength``: routes that are not longer do not count."""
    limit = rule.suppress_prefix_length
    return limit is not None and limit >= 0 and found.fact.destination.length <= limit


def matches(walk: Walk, space: Space, rule: RoutingRuleFact, query: Query) -> bool:
    """``fib_rule_match`` and ``fib4_rule_match``."""
    if everything(rule):
        return not rule.inverted
    hit = plain_match(space, rule, query) and port_match(walk, rule, query)
    if hit and rule.tos:
        hit = served(walk, space, rule.tos, query, rule.at)
    if hit and rule.user_ids is not None:
        low, high = rule.user_ids
        text = f"the user that sends is within {low}-{high}, as routing rule {rule.priority} of {space.place} wants"
        hit = low <= 0 <= high if query.in_device != "lo" else walk.oracle.test(text, rule.at, "the user of the process")
    if hit and rule.unknown:
        text = f"routing rule {rule.priority} of {space.place} matches the packet by {' '.join(rule.unknown)}"
        hit = walk.oracle.test(text, rule.at, "a selector that is not understood")
    return hit != rule.inverted


def everything(rule: RoutingRuleFact) -> bool:
    """Whether a rule has no selector."""
    return rule.source is None and rule.destination is None and rule.mark is None and not selective(rule)


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


def port_match(walk: Walk, rule: RoutingRuleFact, query: Query) -> bool:
    """Protocol and ports."""
    if rule.protocol and rule.protocol != query.protocol:
        return False
    for wanted, port in ((rule.source_ports, query.source_port), (rule.destination_ports, query.destination_port)):
        if wanted and not walk.oracle.within(port, (wanted,), rule.at):
            return False
    return True


def served(walk: Walk, space: Space, wanted: int, query: Query, at: Span | None) -> bool:
    """Whether a packet has a type of service (``fib4_rule_match``, ``fib_table_lookup``)."""
    walk.assume(SENT)
    if query.service is not None:
        return query.service & ROUTED[query.family] == wanted
    text = f"the packet has the type of service {wanted:#x} in {space.place}"
    return walk.oracle.test(text, at, "which type of service a packet has, where rules change it")


def in_table(walk: Walk, space: Space, table: int, query: Query, rule: RoutingRuleFact) -> Answer | None:
    """The longest prefix with a way that can be used; None: the table has none, or throws."""
    width = WIDTH[query.family]
    for length, by_bits in space.table(query.family, table):
        for fact in by_bits.get(query.destination >> (width - length), ()):
            if fact.source_prefix and not fact.source_prefix.covers(Address(query.family, query.source)):
                continue
            if fact.tos and not served(walk, space, fact.tos, query, fact.at):
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
    return tuple(way for way in fact.next_hops if good(space, way, query, fact.scope_name == "host"))


def good(space: Space, way: NextHop, query: Query, stays: bool = False) -> bool:
    """Whether a way can be used: alive, of the wanted device, and with a carrier where that is asked for. ``stays``: the route has the scope
    ``host``, and is not taken away when its device goes down (``fib_sync_down_dev``)."""
    if not way.usable or (query.out_device and way.device != query.out_device and not enslaved(space, way, query)):
        return False
    link = space.links.get(way.device or "")
    if link is None:
        return True
    if not link.up:
        return stays
    down = "linkdown" in way.flags or "NO-CARRIER" in link.flags
    ignore = space.either(query.family, link.name, "ignore_routes_with_linkdown")
    return not (down and ignore and query.link_state)


def enslaved(space: Space, way: NextHop, query: Query) -> bool:
    """Whether the wanted device is the VRF of the way's."""
    vrf = space.vrf_of(way.device or "")
    return vrf is not None and vrf[0] == query.out_device


def chosen(walk: Walk, space: Space, route: Route, target: Address) -> NextHop:
    """One of several ways (``fib_select_multipath``): the network's choice."""
    ways = route.ways
    text = f"{space.place} chooses among {len(ways)} ways to {target}"
    return ways[walk.oracle.choose(len(ways), text, route.fact.at)]
