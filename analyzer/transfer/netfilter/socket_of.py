"""Which packets have a socket of the host that they are at, in the language, and which of them a match concerns that no capture decides."""

from __future__ import annotations

from analyzer.facts.matches import Concerned
from analyzer.model.network import Namespace
from analyzer.model.sockets import proxies
from analyzer.ranges import normalised, single
from analyzer.transfer.ir import ALWAYS, NEVER, All, Any, Bits, Field, In, Match, Not

SENT = All((In(Field.SOURCE_MAC, single(0)), In(Field.IN_INTERFACE, single(0))))
"""What the host sends itself."""
TCP, UDP = In(Field.PROTOCOL, single(6)), In(Field.PROTOCOL, single(17))
ERRORS = {4: normalised((number, number) for number in (3, 4, 5, 11, 12)), 6: ((0, 127),)}
"""Messages of ICMP that quote a packet."""
SYN, SYN_ACK = 2, 0x12


def concerned_packets(concerned: Concerned, family: int, space: Namespace) -> Match:
    """The packets that a match may hold for of which no capture tells whether it does."""
    match concerned:
        case Concerned.EVERY:
            return ALWAYS
        case Concerned.OPENING:
            return All((TCP, Bits(Field.TCP_FLAGS, SYN, SYN)))
        case Concerned.OWN:
            return may_have_socket(space)
        case Concerned.FOUND:
            quotes = All((In(Field.PROTOCOL, single(1 if family == 4 else 58)), In(Field.ICMP_TYPE, ERRORS[family])))
            return Any((SENT, TCP, UDP, quotes))


def open_for(concerned: Match, asked: Match, otherwise: bool) -> Match:
    """A test that is open for some packets, and known for all others."""
    return Any((Not(concerned), asked)) if otherwise else asked if concerned == ALWAYS else All((concerned, asked))


def may_have_socket(space: Namespace) -> Match:
    """What was sent here, and what comes to the host itself where a connected socket may have been found for it (tcp_ipv4.c ``tcp_v4_early_demux``); that is looked
    for behind PREROUTING, from which INPUT is not told here."""
    opens: Match = NEVER if proxies(space) else Bits(Field.TCP_FLAGS, SYN_ACK, SYN)
    found = Any((UDP, All((TCP, Not(opens)))))
    came = All((Not(In(Field.IN_INTERFACE, single(0))), In(Field.OUT_INTERFACE, single(0))))
    return Any((SENT, All((came, found))))
