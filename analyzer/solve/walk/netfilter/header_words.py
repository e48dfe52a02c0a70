"""Bits of a packet by their place in its headers (net/netfilter/nft_payload.c, xt_u32.c), as far as the packet has the fields that stand there."""

from __future__ import annotations

from analyzer.facts.headers import BEHIND, FOUR, SIX, ZERO, Layout, pieces
from analyzer.facts.matches import WordMatch, WordTest
from analyzer.facts.netfilter import NfRule
from analyzer.solve.packet import PICKED, Packet
from analyzer.solve.walk.netfilter.visit import Visit

FULL = 0xFFFFFFFF


def word(base: str, offset: int, length: int, packet: Packet) -> tuple[int, int]:
    """The bits from a place on: their value, and which of them are known."""
    value = known = 0
    for piece in pieces(layout(base, packet), offset, length):
        number, ones = field(piece.field, packet), (1 << piece.size) - 1
        if number is not None:
            value |= (number >> piece.shift & ones) << piece.place
            known |= ones << piece.place
    return value, known


def layout(base: str, packet: Packet) -> Layout:
    """Where the fields of a header are."""
    if base == "nh":
        return FOUR if packet.family == 4 else SIX
    return BEHIND.get(packet.protocol, {}) if base == "th" else {}


def field(name: str, packet: Packet) -> int | None:
    """What a packet has in a field; None for a port that was picked at random."""
    numbers = {
        ZERO: 0,
        "TTL": packet.ttl,
        "protocol": packet.protocol,
        "source": packet.source,
        "destination": packet.destination,
        "source port": packet.source_port,
        "destination port": packet.destination_port,
        "TCP flags": packet.tcp_flags,
        "ICMP type": packet.icmp_type,
        "ICMP code": packet.icmp_code,
    }
    number = numbers[name]
    return None if name.endswith("port") and number >= PICKED else number


def words(match: WordMatch, rule: NfRule, visit: Visit) -> bool:
    """xt_u32.c ``u32_match_it``: what is not known of the packet is asked."""
    answers = [holds(test, visit.packet) for test in match.tests]
    if False in answers:
        return match.negated
    if None not in answers:
        return not match.negated
    return visit.oracle.test(f"{visit.place}: u32 {match.text!r} holds of {visit.packet}", rule.at) != match.negated


def holds(test: WordTest, packet: Packet) -> bool | None:
    """One test; None where bits that it looks at are not known."""
    value, known = word(test.base, test.offset * 8, 32, packet)
    if moved(FULL & ~known, test.shift) & test.mask:
        return None
    number = moved(value, test.shift) & test.mask
    return any(low <= number <= high for low, high in test.ranges)


def moved(value: int, shift: int) -> int:
    """Bits to the right, or to the left where the number is negative."""
    return value >> shift if shift >= 0 else value << -shift & FULL
