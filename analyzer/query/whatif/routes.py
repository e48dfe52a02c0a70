"""``ip route`` and ``ip rule`` as edits of facts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from analyzer.addresses import Address
from analyzer.facts.routes import MAIN, NextHop, RouteFact, RoutingRuleFact
from analyzer.parsers.ip_route import PARSER as ROUTES
from analyzer.parsers.ip_route import table_number
from analyzer.parsers.ip_rule import PARSER as RULES
from analyzer.query.whatif.state import NodeState, Run, taken, value

VERBS = {
    "a": "add",
    "add": "add",
    "append": "append",
    "replace": "replace",
    "change": "change",
    "del": "del",
    "delete": "del",
    "d": "del",
}
NO_WAY = frozenset({"blackhole", "unreachable", "prohibit", "throw"})
IPV6_METRIC = 1024


def route(state: NodeState, run: Run) -> NodeState:
    """``ip route VERB …``."""
    verb = VERBS.get(run.words[0]) if run.words else None
    if verb is None or len(run.words) < 2:
        raise run.wrong("expected ip route add, append, replace, change or del, and a route")
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
    return state.joined(replace(wanted, order=max((fact.order for fact in known), default=-1) + 1))


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
    ways = tuple(with_device(state, run, hop) for hop in wanted.next_hops)
    direct = all(hop.via is None for hop in ways) and wanted.kind == "unicast" and wanted.destination.family == 4
    scope = wanted.scope_name or ("host" if wanted.kind == "local" else "link" if direct else None)
    return replace(wanted, next_hops=ways, protocol=wanted.protocol or "boot", scope_name=scope)


def with_device(state: NodeState, run: Run, hop: NextHop) -> NextHop:
    """A way with its device: that of the most specific route to the gateway."""
    if hop.device is not None or hop.via is None:
        return hop
    found = sorted(connected(state, run, hop.via), key=lambda item: -item[0])
    if not found:
        raise run.wrong(f"the kernel refuses it (Nexthop has invalid gateway): no device is connected to {hop.via}")
    return replace(hop, device=found[0][1])


def connected(state: NodeState, run: Run, gateway: Address) -> Iterator[tuple[int, str]]:
    """The devices with a route to the gateway that needs no other, with its length."""
    for fact in state.of(RouteFact, run.scope):
        if fact.kind == "unicast" and fact.table == MAIN and fact.destination.covers(gateway):
            for hop in fact.next_hops:
                if hop.via is None and hop.device is not None:
                    yield fact.destination.length, hop.device


def routing_rule(state: NodeState, run: Run) -> NodeState:
    """``ip rule add|del …``."""
    verb = VERBS.get(run.words[0]) if run.words else None
    if verb not in ("add", "del") or len(run.words) < 2:
        raise run.wrong("expected ip rule add or del, and a rule such as from 10.0.0.0/8 lookup 100")
    words = run.words[1:]
    told = value(words, "pref", "priority", "preference", "order")
    for key in ("pref", "priority", "preference", "order"):
        words = taken(words, key)
    if told is not None and not told.isdecimal():
        raise run.wrong(f"the priority {told!r} is no number")
    if not any(word in ("from", "not") for word in words[:2]):
        words = ("from", "all", *words)
    known = [fact for fact in state.of(RoutingRuleFact, run.scope) if fact.family == run.family]
    text = f"{told or '0'}: {' '.join('lookup' if word == 'table' else word for word in words)}"
    wanted = replace(run.read(RULES, text, RoutingRuleFact), family=run.family)
    if wanted.unknown:
        raise run.wrong(f"{' '.join(wanted.unknown)} is not understood")
    if verb == "del":
        return state.without([rule_gone(run, known, wanted, told)])
    priority = int(told) if told is not None else free(known)
    return state.joined(replace(wanted, priority=priority))


def free(known: list[RoutingRuleFact]) -> int:
    """The priority of a rule that states none: just before the second (net/core/fib_rules.c, fib_default_rule_pref)."""
    priorities = sorted(fact.priority for fact in known)
    return max(priorities[1] - 1, 0) if len(priorities) > 1 else 0


def rule_gone(run: Run, known: list[RoutingRuleFact], wanted: RoutingRuleFact, told: str | None) -> RoutingRuleFact:
    """The first rule that a ``del`` means."""
    for fact in sorted(known, key=lambda item: item.priority):
        table = wanted.table is None or table_number(wanted.table) == table_number(fact.table or MAIN)
        same = replace(fact, priority=wanted.priority, table=wanted.table, action=wanted.action) == wanted
        bare = told is not None and replace(wanted, priority=0, table=None) == RoutingRuleFact(
            at=wanted.at, family=run.family, priority=0
        )
        if (told is None or fact.priority == int(told)) and (bare or (same and table)):
            return fact
    raise run.wrong("there is no such rule (No such file or directory)")
