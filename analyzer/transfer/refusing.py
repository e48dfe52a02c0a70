"""Which rules could stop neighbour discovery of IPv6: solicitations and advertisements, which conntrack leaves UNTRACKED.

What no rule could stop needs no packets of its own. A rule is passed over where one of its matches never holds for such a packet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from analyzer.facts.matches import ConntrackMatch, IcmpMatch, Match, PortMatch, ProtocolMatch, TcpFlagsMatch
from analyzer.facts.netfilter import Chain, CopyMark, Jump, NoTrack, Pass, SetMark, Verdict, Zone
from analyzer.model.link_filters import acting
from analyzer.model.network import Interface
from analyzer.source import Scope
from analyzer.transfer.bridge import called
from analyzer.transfer.reach import Crossing, Reach, crossings
from analyzer.transfer.space import Context

ICMPV6, KINDS = 58, (135, 136)
TABLES = ("raw", "mangle", "filter", "security")
HOOKS = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")


def way(context: Context, reach: Reach, goal: Interface) -> tuple[Crossing, ...] | None:
    """The bridges on the way to a host."""
    return crossings(context, reach, reach.step("receive", goal))


def uncertain(context: Context, at: Interface, reach: Reach, host: Interface) -> bool:
    """Whether a rule could stop what an interface asks a host, or the answer."""
    between = way(context, reach, host)
    if between is None:
        return True
    bridges = (one.bridge.scope for one in between if called(context, one.bridge) is not False or own_chains(context, one.bridge))
    return any(refuses(context, scope) for scope in (at.scope, host.scope, *bridges))


def own_chains(context: Context, bridge: Interface) -> bool:
    """Whether a bridge has chains of its own that may do more than accept."""
    return next(acting(context.space(bridge.scope), "bridge"), None) is not None


def refuses(context: Context, scope: Scope) -> bool:
    """Whether a rule of a namespace could stop such a packet."""
    key = ("refuses", scope)
    found = context.made.get(key)
    if not isinstance(found, bool):
        space = context.space(scope)
        tables = [table for fact in space.rulesets if fact.family == 6 for name, table in fact.tables.items() if name in TABLES]
        found = any(not fact.inert for fact in space.nft_chains) or any(stops(table) for table in tables)
        context.made[key] = found
    return found


def stops(table: Mapping[str, Chain]) -> bool:
    """Whether a table could drop such a packet, or do with it what is not known."""
    waiting, seen = [name for name in HOOKS if name in table], set(HOOKS)
    if any(table[name].policy == "DROP" for name in waiting):
        return True
    while waiting:
        for target in met(table[waiting.pop()]):
            match target:
                case Jump(name):
                    if name in table and name not in seen:
                        seen.add(name)
                        waiting.append(name)
                case Verdict("ACCEPT" | "RETURN") | Pass() | SetMark() | CopyMark() | NoTrack() | Zone():
                    continue
                case _:
                    return True
    return False


def met(chain: Chain) -> Iterator[object]:
    """The targets of the rules that could concern such a packet."""
    return (rule.target for rule in chain.rules if not excluded(rule.matches))


def excluded(matches: Iterable[Match]) -> bool:
    """Whether one of the matches never holds for such a packet."""
    return any(never(match) for match in matches)


def never(match: Match) -> bool:
    """Whether a match never holds for such a packet."""
    match match:
        case ProtocolMatch(protocol, negated):
            return (protocol == ICMPV6) == negated
        case IcmpMatch(kind, negated=False):
            return kind not in KINDS
        case ConntrackMatch(states, states_negated):
            return bool(states) and ("UNTRACKED" in states) == states_negated
        case PortMatch() | TcpFlagsMatch():
            return True
        case _:
            return False
