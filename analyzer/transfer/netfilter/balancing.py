"""The match ``ipvs`` in the language (net/netfilter/xt_ipvs.c ``ipvs_mt``).

Behind IPVS, which chains of address translation in INPUT and POSTROUTING are, a packet of a balanced connection was handled by it; elsewhere that is not followed.
A request alone is found to be of a connection (``ip_vs_conn_out_get`` of the inverse).
"""

from __future__ import annotations

from collections.abc import Callable

from analyzer.facts.ipvs import Forwarding
from analyzer.facts.matches import BalancedMatch
from analyzer.model.network import Namespace
from analyzer.ranges import single
from analyzer.transfer.ir import ALWAYS, BALANCED_STATUS, NEVER, All, Bits, Field, In, Match, Not

HANDLED = Bits(Field.STATUS, BALANCED_STATUS, BALANCED_STATUS)
REQUEST = In(Field.DIRECTION, single(0))


def balanced(match: BalancedMatch, behind: bool, space: Namespace, open_test: Callable[[str], Match]) -> Match:
    """One test; ``behind``: the rule is asked behind IPVS."""
    if "ipvs" in space.missing:
        return open_test(f"the packet {match}")
    if not space.virtual_servers:
        return ALWAYS if not match.what and match.negated else NEVER
    others = any(server.forwarding is not Forwarding.MASQUERADE for fact in space.virtual_servers for server in fact.servers)
    if not behind or (others and not match.what):
        return open_test(f"the packet {match}")
    if not match.what:
        return Not(HANDLED) if match.negated else HANDLED
    own = of_connection(match)
    return All((HANDLED, REQUEST, Not(own) if match.negated else own))


def of_connection(match: BalancedMatch) -> Match:
    """What is asked of the connection of a request that was masqueraded to its real server."""
    match match.what, match.value:
        case "protocol", (int(number), _):
            return In(Field.PROTOCOL, single(number))
        case "address", (int(value), int(mask)):
            return Bits(Field.ORIGINAL_DESTINATION, mask, value)
        case "port", (int(number), _):
            return In(Field.ORIGINAL_DESTINATION_PORT, single(number))
        case "replies", _:
            return NEVER
        case _:
            return ALWAYS if match.value is Forwarding.MASQUERADE else NEVER
