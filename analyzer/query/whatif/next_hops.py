"""``ip nexthop`` as an edit of facts: next-hop objects, and the routes that lead by them (ip-nexthop(8), net/ipv4/nexthop.c)."""

from __future__ import annotations

from dataclasses import replace

from analyzer.facts.base import Fact
from analyzer.facts.routes import NextHopFact, RouteFact
from analyzer.parsers.ip_nexthop import PARSER as OBJECTS
from analyzer.query.whatif.routes import fits, of_object, with_device
from analyzer.query.whatif.state import NodeState, Run, value

EXPECTED = (
    "expected ip nexthop add or replace id N and via ADDRESS dev DEVICE or group N/N, ip nexthop del id N, or ip nexthop flush"
)


def next_hop(state: NodeState, run: Run) -> NodeState:
    """``ip nexthop add|replace id N …``, ``ip nexthop del id N``, ``ip nexthop flush``."""
    known = {fact.identifier: fact for fact in state.of(NextHopFact, run.scope)}
    told = value(run.words, "id")
    match run.words[:1]:
        case ("flush",) if len(run.words) == 1:
            return followed(state.without(list(known.values())), run)
        case ("del" | "delete",) if told is not None and len(run.words) == 3:
            if not told.isdecimal() or int(told) not in known:
                raise run.wrong(f"there is no next-hop object {told} (No such file or directory)")
            return followed(without(state, run, int(told)), run)
        case ("add" | "replace" as verb,) if told is not None:
            wanted = run.read(OBJECTS, " ".join(run.words[1:]), NextHopFact)
            if verb == "add" and wanted.identifier in known:
                raise run.wrong(f"the kernel refuses it (File exists): {known[wanted.identifier].at}")
            return followed(joined(state, run, wanted, known.get(wanted.identifier)), run)
        case _:
            raise run.wrong(EXPECTED)


def joined(state: NodeState, run: Run, wanted: NextHopFact, old: NextHopFact | None) -> NodeState:
    """With an object, in the place of that of its number."""
    known = {fact.identifier: fact for fact in state.of(NextHopFact, run.scope)}
    for one, _ in wanted.group:
        if one not in known or known[one].group:
            raise run.wrong(f"the kernel refuses it (Invalid nexthop id in group): {one}")
    if old is not None and (bool(old.group) != bool(wanted.group) or old.blackhole != wanted.blackhole):
        raise run.wrong("an object of another kind takes its place, which is not followed: delete it and add it again")
    if wanted.next_hop is not None:
        hop = with_device(state, run, wanted.next_hop)
        fits(state, run, hop)
        wanted = replace(wanted, next_hop=hop)
    return (state.without([old]) if old is not None else state).joined(wanted)


def without(state: NodeState, run: Run, identifier: int) -> NodeState:
    """Without an object, and without it in its groups; a group that nothing is in goes as well."""

    def change(fact: Fact) -> Fact | None:
        if not isinstance(fact, NextHopFact) or fact.scope != run.scope:
            return fact
        group = tuple(member for member in fact.group if member[0] != identifier)
        return None if fact.identifier == identifier or (fact.group and not group) else replace(fact, group=group)

    return state.changed(change)


def followed(state: NodeState, run: Run) -> NodeState:
    """The routes by objects as these are now; those whose object is gone are gone."""
    known = {fact.identifier: fact for fact in state.of(NextHopFact, run.scope)}

    def change(fact: Fact) -> Fact | None:
        if not isinstance(fact, RouteFact) or fact.scope != run.scope or fact.next_hop_id is None:
            return fact
        if fact.next_hop_id not in known:
            return None
        blackhole = known[fact.next_hop_id].blackhole
        return fact if blackhole else replace(fact, next_hops=of_object(state, run, fact.next_hop_id))

    return state.changed(change)
