"""Connections that nodes tracked when they were captured, where a question is about a new one: which source ports would meet them, and what comes of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from analyzer.facts.system import ConnectionFact
from analyzer.model.network import Network
from analyzer.solve.packet import ICMP, ICMPV6, Fate, Outcome, Trace
from analyzer.solve.walk.concrete import Flow, walk
from analyzer.solve.walk.index import Identity
from analyzer.solve.walk.netfilter.captured import tracks
from analyzer.source import Scope

LIMIT, SHOWN = 8, 3
Ends = tuple[int, int, int, int]
"""Protocol, source, destination and destination port (of ICMP the type)."""


def assumed(network: Network) -> Iterator[str]:
    """What verdicts over all packets take for granted where connections were captured."""
    places = [str(scope) for scope, space in sorted(network.namespaces.items()) if space.connections]
    if places:
        count = sum(len(space.connections) for space in network.namespaces.values())
        more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
        yield (
            f"packets open new connections: none has the addresses and ports of one of the {count} that {', '.join(places[:SHOWN])}{more} "
            "tracked already"
        )


def noted(network: Network, flow: Flow, found: Trace) -> Trace:
    """The trace of a new connection, with notes on the source ports that would meet one that is tracked already, and end elsewhere."""
    notes = tuple(notes_of(network, flow, found))
    if not notes:
        return found
    outcomes = tuple(outcome._replace(assumptions=(*outcome.assumptions, *notes)) for outcome in found.outcomes)
    return Trace(found.fate, outcomes, found.packet)


def supposed(network: Network, found: Trace) -> Trace:
    """The trace of a packet with a source port of its own, with the nodes on its way of which nobody knows what they track."""
    held = captured(Identity(network))
    outcomes = tuple(
        outcome._replace(assumptions=tuple(dict.fromkeys((*outcome.assumptions, *unknown_tables(network, outcome, held)))))
        for outcome in found.outcomes
    )
    return Trace(found.fate, outcomes, found.packet)


def unknown_tables(network: Network, outcome: Outcome, held: frozenset[Scope]) -> Iterator[str]:
    """What is taken for granted of each such node that the packet comes through, and whose rules ask conntrack."""
    places = {hop.place for hop in outcome.hops}
    for scope, space in sorted(network.namespaces.items()):
        on_its_way = not scope.namespace and str(scope) in places
        if on_its_way and scope not in held and (tracks(space, 4) or tracks(space, 6)):
            yield f"{scope} tracks no connection of the packet (conntrack -L was not captured there)"


@lru_cache(maxsize=4)
def captured(key: Identity) -> frozenset[Scope]:
    """The namespaces whose connections were captured, if only to say that there are none."""
    spaces = key.network.namespaces.items()
    read = {scope for scope, space in spaces if space.connections or space.gaps.get("conntrack")}
    return frozenset(read | {one.scope for one in key.network.sources.values() if one.kind == "conntrack" and one.scope})


def notes_of(network: Network, flow: Flow, found: Trace) -> Iterator[str]:
    """One note for each way that such a packet may take instead, the first few of them."""
    packet = found.sent or flow.packet
    kind = packet.icmp_type if packet.protocol in (ICMP, ICMPV6) else packet.destination_port
    entries = unlike(by_ends(Identity(network)).get((packet.protocol, packet.source, packet.destination, kind), ()))
    usual, told = set(map(end, found.outcomes)), set[object]()
    for scope, fact in entries:
        port = port_of(fact)
        other = walk(network, flow._replace(packet=packet._replace(source_port=port, size=None), tracked=True))
        ends = frozenset(map(end, other.outcomes))
        if ends <= usual or ends in told:
            continue
        told.add(ends)
        name = "the identifier" if packet.protocol in (ICMP, ICMPV6) else "source port"
        which = f"the connection that {scope} tracks ({fact.at.path}:{fact.at.line})"
        yield f"the packet opens a new connection: from {name} {port} it would be of {which}, and {became(other)}"
        if len(told) == SHOWN:
            return


def port_of(fact: ConnectionFact) -> int:
    """The source port of an entry's original direction, or the identifier."""
    return fact.original[3] if fact.protocol in (ICMP, ICMPV6) else fact.original[2]


def end(outcome: Outcome) -> tuple[object, ...]:
    """What makes the ways of two packets differ to who sends them."""
    return outcome.fate, outcome.delivered_to, outcome.destination_seen


def became(other: Trace) -> str:
    """What becomes of such a packet, in words."""
    if other.fate is Fate.REACHABLE:
        return f"reach {', '.join(sorted({str(outcome.delivered_to) for outcome in other.outcomes}))}"
    reasons = dict.fromkeys(outcome.reason for outcome in other.outcomes if outcome.reason)
    return f"be {other.fate}: {'; '.join(list(reasons)[:2])}"


def unlike(entries: Sequence[tuple[Scope, ConnectionFact]]) -> Iterator[tuple[Scope, ConnectionFact]]:
    """Of connections that differ in the source port alone one, and a few at most."""
    seen: set[object] = set()
    for scope, fact in entries:
        alike = scope, fact.reply[:3], fact.state, fact.status, fact.mark, fact.zone, fact.reply_zone
        if alike not in seen and len(seen) < LIMIT:
            seen.add(alike)
            yield scope, fact


@lru_cache(maxsize=4)
def by_ends(key: Identity) -> Mapping[Ends, Sequence[tuple[Scope, ConnectionFact]]]:
    """The captured connections by their ends."""
    found: dict[Ends, list[tuple[Scope, ConnectionFact]]] = defaultdict(list)
    for scope, space in sorted(key.network.namespaces.items()):
        for fact in space.connections:
            source, destination, first, second = fact.original
            kind = first if fact.protocol in (ICMP, ICMPV6) else second
            found[fact.protocol, source.value, destination.value, kind].append((scope, fact))
    return found
