"""The length of packets, by which a rule asks (xt_length.c): the whole packet with its IP header. LENGTH 0 is any that the packet's protocol allows."""

from __future__ import annotations

from collections.abc import Callable

from analyzer.facts.matches import LengthMatch
from analyzer.ranges import Ranges, normalised, single
from analyzer.transfer.ir import FRAGMENTS, All, Any, Bits, Field, In, Match, Not

HEADERS = {6: 20, 17: 8, 1: 8, 58: 8}
LONGEST, LONGEST_TCP = 65535, 60
"""Bytes of a packet, and of TCP's header with all options."""


def length(match: LengthMatch, family: int, open_test: Callable[[str], Match]) -> Match:
    """Whether the packet's length is in the rule's range, negated or not."""
    head = 20 if family == 4 else 40
    unsized = In(Field.LENGTH, single(0))
    found: list[Match] = [All((Not(unsized), In(Field.LENGTH, either_way(match.low, match.high))))]
    cases = allowed(head)
    sure = tuple(case for case, low, high in cases if match.low <= low and high <= match.high)
    may = tuple(
        case
        for case, low, high in cases
        if match.low <= high and low <= match.high and not (match.low <= low and high <= match.high)
    )
    if sure:
        found.append(All((unsized, Any(sure))))
    if may:
        words = f"the packet's length is from {match.low} to {match.high} bytes"
        found.append(All((unsized, Any(may), open_test(words))))
    return Not(Any(tuple(found))) if match.negated else Any(tuple(found))


def allowed(head: int) -> tuple[tuple[Match, int, int], ...]:
    """The least and the greatest length of packets. What opens a TCP connection has no data (but for TCP Fast Open, which programs must ask for)."""
    syn, others = Bits(Field.TCP_FLAGS, 2, 2), Not(In(Field.PROTOCOL, normalised((number, number) for number in HEADERS)))
    ported = ((protocol_is(number), HEADERS[number] + head, LONGEST) for number in (1, 17, 58))
    opening, open_already = All((protocol_is(6), syn)), All((protocol_is(6), Not(syn)))
    return (
        (opening, HEADERS[6] + head, LONGEST_TCP + head),
        (open_already, HEADERS[6] + head, LONGEST),
        *ported,
        (others, head, LONGEST),
    )


def either_way(low: int, high: int) -> Ranges:
    """Lengths of packets that may be cut into fragments, and of those that may not."""
    high = min(high, FRAGMENTS - 1)
    return normalised(((low, high), (FRAGMENTS + low, FRAGMENTS + high)))


def protocol_is(number: int) -> Match:
    """The packet is of a protocol."""
    return In(Field.PROTOCOL, single(number))
