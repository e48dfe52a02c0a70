"""The ``conntrack`` and ``state`` matches (net/netfilter/xt_conntrack.c)."""

from __future__ import annotations

from analyzer.facts.matches import ConntrackMatch
from analyzer.solve.walk.netfilter.state import NO_FLOW, Connection, Tracked
from analyzer.solve.walk.netfilter.visit import Visit


def conntrack(match: ConntrackMatch, visit: Visit) -> bool:
    """``conntrack_mt``: without a connection only the state can match."""
    tracked = visit.tracked or Tracked("INVALID")
    connection = tracked.connection
    if match.states and in_state(tracked.state, connection, match.states) == match.states_negated:
        return False
    if connection is None:
        return bool(match.states)
    if match.original_direction is not None and match.original_direction == tracked.reply:
        return False
    if match.protocol is not None and (connection.original.protocol == match.protocol) == match.protocol_negated:
        return False
    if match.statuses and bool(match.statuses & statuses(connection, visit)) == match.statuses_negated:
        return False
    return tuples(match, connection, visit) and expire(match, visit)


def in_state(state: str, connection: Connection | None, states: frozenset[str]) -> bool:
    """Whether the state is among these, or SNAT or DNAT where the connection is translated."""
    if state in states:
        return True
    if connection is None:
        return False
    return (connection.source_translated and "SNAT" in states) or (connection.destination_translated and "DNAT" in states)


def statuses(connection: Connection, visit: Visit) -> frozenset[str]:
    """The status bits; NONE is none of them, which a connection never has (``conntrack_mt`` asks for bits in common). Whether a template is CONFIRMED is not the
    same in all kernels (xt_CT.c ``xt_ct_tg_check``)."""
    if connection.original == NO_FLOW:
        words = f"{visit.place}: a template is CONFIRMED"
        return frozenset({"CONFIRMED"} if visit.oracle.test(words, None, "the kernel's version") else ())
    held = ("SEEN_REPLY",) * connection.seen_reply + ("CONFIRMED",) * connection.confirmed + ("ASSURED",) * connection.assured
    return frozenset(held)


def tuples(match: ConntrackMatch, connection: Connection, visit: Visit) -> bool:
    """Addresses and ports of the two tuples."""
    if not match.addresses and not match.ports:
        return True
    original, reply = connection.original, connection.reply
    ends = {
        "origsrc": (original.source, original.source_port),
        "origdst": (original.destination, original.destination_port),
        "replsrc": (reply.source, reply.source_port),
        "repldst": (reply.destination, reply.destination_port),
    }
    for name, value, mask, negated in match.addresses:
        if (ends[name][0] & mask == value) == negated:
            return False
    within = visit.oracle.within
    return all(within(ends[name.removesuffix("port")][1], ((low, high),)) != negated for name, low, high, negated in match.ports)


def expire(match: ConntrackMatch, visit: Visit) -> bool:
    """``--ctexpire``: the seconds that are left of a connection; a new one has none that count yet (``nf_ct_expires`` takes the time of day off)."""
    if match.expire is None:
        return True
    low, high, negated = match.expire
    words = f"{visit.place}: the connection of {visit.packet} expires in {low} to {high} seconds"
    return visit.oracle.test(words, None, "only the traffic decides it") != negated
