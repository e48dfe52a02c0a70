"""The ``socket`` match in the language, after net/netfilter/xt_socket.c ``socket_match``."""

from __future__ import annotations

from collections.abc import Callable

from analyzer.addresses import Address
from analyzer.facts.system import ListenerFact
from analyzer.model.network import Namespace
from analyzer.model.sockets import maybe_transparent, taken_for_granted, told_by_state
from analyzer.ranges import normalised, single
from analyzer.transfer.ir import ALWAYS, NEVER, All, Any, Bits, Field, In, Match, Not
from analyzer.transfer.space import Context

TCP = In(Field.PROTOCOL, single(6))
OPENS = Bits(Field.TCP_FLAGS, 2, 2)
SOCKETS = In(Field.PROTOCOL, normalised([(6, 6), (17, 17)]))


def transparent_socket(wildcard: bool, context: Context, space: Namespace, open_test: Callable[[str], Match]) -> Match:
    """A listener that may be transparent, or, where it matters, a connection that such a socket has: both are open."""
    context.assume(taken_for_granted(space))
    listening = Any(tuple(listener(fact, context, open_test) for fact in maybe_transparent(space, wildcard)))
    later = All((TCP, Not(OPENS)))
    connected = open_test("a transparent socket has the connection") if told_by_state(space) else NEVER
    return All((SOCKETS, Any((All((later, connected)), All((Not(later), listening))))))


def listener(fact: ListenerFact, context: Context, open_test: Callable[[str], Match]) -> Match:
    """One that listens."""
    told = (In(Field.PROTOCOL, single(fact.protocol)), In(Field.DESTINATION_PORT, single(fact.port)))
    return All((*told, bound_to(fact.address, context), open_test(f"the socket on port {fact.port} is transparent")))


def bound_to(address: Address | None, context: Context) -> Match:
    """Whether a socket of this address takes the packet; IPv6's "any" may take IPv4 too."""
    if address is None or not address.value:
        return ALWAYS if address is None or address.family in (6, context.family) else NEVER
    return In(Field.DESTINATION, single(address.value)) if address.family == context.family else NEVER
