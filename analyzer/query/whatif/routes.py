"""``ip route`` as an edit of facts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from analyzer.addresses import Address
from analyzer.facts.links import AddressFact, LinkFact
from analyzer.facts.routes import MAIN, NextHop, NextHopFact, RouteFact
from analyzer.parsers._route_tables import table_number
from analyzer.parsers.ip_route import PARSER, asked
from analyzer.query.whatif.state import NodeState, Run, taken, value

VERBS = {
    "a": "add",
    "add": "add",
    "append": "append",
    "prepend": "prepend",
    "replace": "replace",
    "change": "change",
    "del": "del",
    "delete": "del",
    "d": "del",
}
ROUTES = replace(PARSER, read=asked)
NO_WAY = frozenset({"blackhole", "unreachable", "prohibit", "throw"})
IPV6_METRIC = 1024


def route(state: NodeState, run: Run) -> NodeState:
    """``ip route VERB …``."""
    if run.words[:1] in (("flush",), ("f",)):
        return flushed(state, run)
    verb = VERBS.get(run.words[0]) if run.words else None
    if verb is None or len(run.words) < 2:
        raise run.wrong(
            "expected ip route add, append, prepend, replace, change or del, and a route, or flush table N, dev DEVICE or PREFIX"
        )
    wanted = run.read(ROUTES, " ".join(run.words[1:]), RouteFact)
    if wanted.destination.family == 6 and wanted.metric == 0 and verb != "del":
        wanted = replace(wanted, metric=IPV6_METRIC)
    known = [
        fact
        for fact in state.of(RouteFact, run.scope)
        if fact.table == wanted.table and fact.kind not in ("multicast", "anycast")
    ]
    same = [fact for fact in known if alike(fact, wanted)]
    if verb == "del":
        return state.without([gone(run, known, wanted)])
    if verb == "add" and same:
        raise run.wrong(
            f"the kernel refuses it (File exists): {same[0].at} has a route to {wanted.destination} of the same metric"
        )
    if verb == "change" and not same:
        raise run.wrong(f"the kernel refuses it (No such file or directory): there is no route to {wanted.destination} to change")
    wanted = completed(state, run, wanted)
    if verb in ("replace", "change") and same:
        return state.without(same[:1]).joined(replace(wanted, order=same[0].order))
    if verb == "prepend":
        if any(ways_of(fact) == ways_of(wanted) for fact in same):
            raise run.wrong(f"the kernel refuses it (File exists): {same[0].at} is such a route")
        return state.joined(replace(wanted, order=min((fact.order for fact in known), default=1) - 1))
    return state.joined(replace(wanted, order=max((fact.order for fact in known), default=-1) + 1))


def ways_of(fact: RouteFact) -> object:
    """What makes two routes of one destination the same."""
    return fact.kind, [(hop.via, hop.device) for hop in fact.next_hops], fact.source


def flushed(state: NodeState, run: Run) -> NodeState:
    """``ip route flush [table N|all|cache] [dev DEVICE] [proto NAME] [[exact] PREFIX]``, of the main table where none is named (ip/iproute.c)."""
    words = run.words[1:]
    table, device, protocol = (value(words, key) for key in ("table", "dev", "proto"))
    for key in ("table", "dev", "proto"):
        words = taken(words, key)
    rest = [word for word in words if word != "exact"]
    if table == "cache" or rest == ["cache"]:
        return state
    if len(rest) > 1 or not run.words[1:]:
        raise run.wrong("expected ip route flush table N, dev DEVICE, proto NAME or PREFIX")
    prefix = run.read(ROUTES, f"unreachable {rest[0]}", RouteFact).destination if rest else None
    number = table_number(table or "main")

    def gone(fact: RouteFact) -> bool:
        ways = device is None or any(hop.device == device for hop in fact.next_hops)
        same = table == "all" or fact.table == number
        return (
            fact.destination.family == run.family
            and ways
            and same
            and prefix in (None, fact.destination)
            and protocol in (None, fact.protocol)
        )

    return state.without([fact for fact in state.of(RouteFact, run.scope) if gone(fact)])


def alike(fact: RouteFact, wanted: RouteFact) -> bool:
    """Whether the kernel takes two routes for the same."""
    return (fact.destination, fact.tos, fact.metric) == (wanted.destination, wanted.tos, wanted.metric)


def gone(run: Run, known: list[RouteFact], wanted: RouteFact) -> RouteFact:
    """The first route that a ``del`` means: what it does not say may be anything."""
    for fact in known:
        ways = all(any(means(hop, one) for one in fact.next_hops) for hop in wanted.next_hops)
        metric = wanted.metric in (0, fact.metric)
        kind = wanted.kind in ("unicast", fact.kind)
        if fact.destination == wanted.destination and fact.tos == wanted.tos and ways and metric and kind:
            return fact
    raise run.wrong(f"there is no such route in table {named(wanted.table)} (No such process)")


def named(table: int | str) -> str:
    """A table's name."""
    return "main" if table == MAIN else str(table)


def means(wanted: NextHop, fact: NextHop) -> bool:
    """Whether a way that is given is one that is there."""
    return wanted.via in (None, fact.via) and wanted.device in (None, fact.device)


def completed(state: NodeState, run: Run, wanted: RouteFact) -> RouteFact:
    """The route as the kernel keeps it: with the device of each way, and its scope."""
    if wanted.kind in NO_WAY:
        return replace(wanted, protocol=wanted.protocol or "boot")
    if not wanted.next_hops and wanted.next_hop_id is None:
        raise run.wrong("a route needs a way: via ADDRESS, dev DEVICE or nexthop")
    if wanted.next_hop_id is not None:
        wanted = replace(wanted, next_hops=of_object(state, run, wanted.next_hop_id))
    ways = tuple(with_device(state, run, hop) for hop in wanted.next_hops)
    for hop in ways:
        fits(state, run, hop)
    if wanted.source is not None and not any(fact.address == wanted.source for fact in state.of(AddressFact, run.scope)):
        raise run.wrong(f"the kernel refuses it (Invalid prefsrc address): no device has {wanted.source}")
    direct = all(hop.via is None for hop in ways) and wanted.kind == "unicast" and wanted.destination.family == 4
    scope = wanted.scope_name or ("host" if wanted.kind == "local" else "link" if direct else None)
    return replace(wanted, next_hops=ways, protocol=wanted.protocol or "boot", scope_name=scope)


def of_object(state: NodeState, run: Run, identifier: int) -> tuple[NextHop, ...]:
    """The ways of a next-hop object, or of those in its group."""
    known = {fact.identifier: fact for fact in state.of(NextHopFact, run.scope)}
    if identifier not in known:
        raise run.wrong(f"the kernel refuses it (Nexthop id does not exist): {identifier}")
    fact = known[identifier]
    if fact.blackhole:
        raise run.wrong("a next-hop object that is a blackhole is not followed: expected ip route add blackhole PREFIX")
    members = [(known[one], weight) for one, weight in fact.group if one in known] or [(fact, 1)]
    return tuple(replace(one.next_hop, weight=weight) for one, weight in members if one.next_hop is not None)


def fits(state: NodeState, run: Run, hop: NextHop) -> None:
    """Refuses a way that the kernel would: through no device, one that is down, or to a gateway that is not beside it (fib_check_nh)."""
    links = {link.name: link for link in state.of(LinkFact, run.scope)}
    if hop.device is not None and links and hop.device not in links:
        raise run.wrong(f"there is no device {hop.device} in the capture of {run.scope} (Cannot find device)")
    if hop.device in links and not links[hop.device].up:
        raise run.wrong(f"the kernel refuses it (Nexthop device is not up): {hop.device}")
    if hop.via is None or "onlink" in hop.flags or (hop.via.family == 6 and hop.via.value >> 118 == 0x3FA):
        return
    if not any(device == hop.device for _, device in connected(state, run, hop.via, every=True)):
        raise run.wrong(f"the kernel refuses it (Nexthop has invalid gateway): {hop.via} is not connected to {hop.device}")


def with_device(state: NodeState, run: Run, hop: NextHop) -> NextHop:
    """A way with its device: that of the most specific route to the gateway."""
    if hop.device is not None or hop.via is None:
        return hop
    found = sorted(connected(state, run, hop.via), key=lambda item: -item[0])
    if not found:
        raise run.wrong(f"the kernel refuses it (Nexthop has invalid gateway): no device is connected to {hop.via}")
    return replace(hop, device=found[0][1])


def connected(state: NodeState, run: Run, gateway: Address, *, every: bool = False) -> Iterator[tuple[int, str]]:
    """The devices with a route to the gateway that needs no other, with its length; in the main table, or in ``every`` one."""
    for fact in state.of(RouteFact, run.scope):
        meant = every or fact.table == MAIN
        if fact.kind == "unicast" and meant and fact.destination.covers(gateway):
            for hop in fact.next_hops:
                if hop.via is None and hop.device is not None:
                    yield fact.destination.length, hop.device
