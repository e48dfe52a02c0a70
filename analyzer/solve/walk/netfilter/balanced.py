"""The match ``ipvs`` (net/netfilter/xt_ipvs.c)."""

from __future__ import annotations

from analyzer.facts.ipvs import Forwarding
from analyzer.facts.matches import BalancedMatch
from analyzer.solve.walk.netfilter.state import Balanced
from analyzer.solve.walk.netfilter.tracking import flow_of
from analyzer.solve.walk.netfilter.visit import Visit


def balanced(match: BalancedMatch, visit: Visit) -> bool:
    """``ipvs_mt``: whether IPVS has handled the packet; all else is asked of its connection, which a request that goes to its real server alone is found by
    (``ip_vs_conn_out_get`` of the inverse)."""
    if (words := visit.sets.namespace.missing.get("ipvs")) is not None:
        return visit.oracle.test(f"{visit.place}: a packet of {visit.table} {match}", None, words)
    if not match.what:
        return visit.at.balanced != match.negated
    flow = flow_of(visit.packet)
    found = visit.connections.balanced.get((True, flow.inverse)) if visit.at.balanced else None
    if found is None or (found.server.value, found.port) != (flow.destination, flow.destination_port):
        return False
    if match.what == "replies" and (visit.tracked is None or visit.tracked.state == "UNTRACKED"):
        return False
    return holds(match, found, visit) != match.negated


def holds(match: BalancedMatch, found: Balanced, visit: Visit) -> bool:
    """One test of a connection."""
    virtual = found.virtual
    match match.what, match.value:
        case "protocol", (int(number), _):
            return virtual.protocol == number
        case "address", (int(value), int(mask)):
            return virtual.destination & mask == value
        case "port", (int(number), _):
            return virtual.destination_port == number
        case "replies", _:
            return visit.tracked is not None and visit.tracked.reply
        case _:
            return found.forwarding is match.value or (match.value is Forwarding.TUNNEL and found.forwarding.tunnels)
