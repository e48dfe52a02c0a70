"""Packets whose answers have the mark or the type of service too: the language's answers have none, so that what becomes of these stays open."""

from __future__ import annotations

from analyzer.model.reflecting import reflects
from analyzer.model.service_types import reflects_service
from analyzer.ranges import single
from analyzer.source import Scope
from analyzer.transfer.ir import All, Any, Bits, Field, If, In, Match, Not, Transfer
from analyzer.transfer.space import Context, unless

TCP, SYN, ACK = 6, 2, 16
ECHO_REQUEST = {4: (1, 8), 6: (58, 128)}
MARKED, CLASSED = Not(In(Field.MARK, single(0))), Not(In(Field.SERVICE, single(0)))


def unreflected(context: Context, scope: Scope, taken: Transfer) -> Transfer:
    """What the host takes, where its answer does not depend on the packet's mark or type of service."""
    space = context.space(scope)
    protocol, kind = ECHO_REQUEST[context.family]
    ping = All((In(Field.PROTOCOL, single(protocol)), In(Field.ICMP_TYPE, single(kind))))
    opens = All((In(Field.PROTOCOL, single(TCP)), Bits(Field.TCP_FLAGS, SYN | ACK, SYN)))
    found: tuple[Match, ...] = tuple(match for number, match in ((protocol, ping), (TCP, opens)) if reflects(space, number))
    then = unless(f"the answers of {scope} with the mark of what they answer go as those without one", taken)
    done = If(All((MARKED, Any(found))), then, taken) if found else taken
    if not reflects_service(space, TCP):
        return done
    words = f"the answers of {scope} with the type of service of what they answer go as those without one"
    return If(All((CLASSED, opens)), unless(words, done), done)
