"""The language of packet behaviour: tests on a packet's fields, and what happens to it.

A **state** is a value for each field, a stack of saved states (one for each encapsulation around the packet), and the connections
that each namespace has seen. A **transfer** maps a state to the states that may follow, each with the **exit** it left by; a
transfer that reaches its end without an ``End`` leaves by ``Continue``. Several resulting states mean a choice of the network, except
after an ``Opaque`` test, where they mean that it is not known which one is real.

Both symbolic engines and the interpreter of the language read these terms; the concrete walk does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from analyzer.ranges import Ranges
from analyzer.source import Scope, Span

if TYPE_CHECKING:
    from analyzer.transfer.family import Family


class Field(StrEnum):
    """A packet's fields. Addresses have the family's width; a program is about one family.

    Interfaces are numbers that the program gives to names, the same in every namespace (0: none). LENGTH is the whole packet's with its IP header in bytes (0: small, and of no interest); FRAGMENTS is added to it where the packet may be cut into fragments. TTL 0 is a tunnel's packet; every other one starts with a TTL. SERVICE is the byte of the service class and ECN's bits.
    """

    SOURCE = "source"
    DESTINATION = "destination"
    PROTOCOL = "protocol"
    SOURCE_PORT = "source port"
    DESTINATION_PORT = "destination port"
    ICMP_TYPE = "ICMP type"
    ICMP_CODE = "ICMP code"
    TCP_FLAGS = "TCP flags"
    LENGTH = "length"
    TTL = "TTL"
    MARK = "mark"
    STATE = "connection state"
    STATUS = "connection status"
    CONNECTION_MARK = "connection mark"
    ORIGINAL_SOURCE = "original source"
    ORIGINAL_DESTINATION = "original destination"
    ORIGINAL_DESTINATION_PORT = "original destination port"
    DIRECTION = "direction"
    IN_INTERFACE = "in interface"
    OUT_INTERFACE = "out interface"
    PHYSICAL_IN = "physical in interface"
    PHYSICAL_OUT = "physical out interface"
    SOURCE_MAC = "source MAC"
    DESTINATION_MAC = "destination MAC"
    NEXT_HOP = "next hop"
    VLAN = "VLAN"
    SERVICE = "type of service"


NEW, ESTABLISHED, RELATED, INVALID, UNTRACKED = 1, 2, 3, 4, 5
SNAT_STATUS, DNAT_STATUS, SEEN_REPLY, CONFIRMED, BALANCED_STATUS, EARLIER = 1, 2, 4, 8, 16, 32
FRAGMENTS = 1 << 16


@dataclass(frozen=True, slots=True)
class In:
    """The field's value is in the ranges."""

    field: Field
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Bits:
    """``field & mask == value``."""

    field: Field
    mask: int
    value: int


@dataclass(frozen=True, slots=True)
class Opaque:
    """A test that is not modelled: it may hold or not, the same each time for the same text."""

    text: str
    at: Span | None = None


@dataclass(frozen=True, slots=True)
class Not:
    """The match does not hold."""

    match: Match


@dataclass(frozen=True, slots=True)
class All:
    """Every match holds; without matches, always."""

    matches: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """Some match holds; without matches, never."""

    matches: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class Belongs:
    """The packet has a connection, whose own direction is looked up in ``scope`` and whose answers are in ``replies``."""

    scope: Scope
    replies: Scope


Match = In | Bits | Opaque | Belongs | Not | All | Any
ALWAYS, NEVER = All(()), Any(())


class Point(NamedTuple):
    """A place in the program: a stage of a namespace, for a device or a chain where the stage has one."""

    scope: Scope
    stage: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.scope} {self.stage} {self.detail}".rstrip()


@dataclass(frozen=True, slots=True)
class Accept:
    """Leaves the base chain: the hook's next table goes on (ends ``Hook``)."""


@dataclass(frozen=True, slots=True)
class Return:
    """Leaves the called transfer; the caller continues after its ``Call``."""


@dataclass(frozen=True, slots=True)
class Goto:
    """Leaves for another point of the program."""

    point: Point


@dataclass(frozen=True, slots=True)
class Deliver:
    """A process (or the stack) of the namespace has the packet."""

    scope: Scope


@dataclass(frozen=True, slots=True)
class Leave:
    """The packet leaves the capture towards an address that nobody in it owns."""

    scope: Scope
    assumption: str


@dataclass(frozen=True, slots=True)
class Drop:
    """The packet ends here."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """What happens from here is not captured or not modelled."""

    reason: str


Exit = Accept | Return | Goto | Deliver | Leave | Drop | Unknown


@dataclass(frozen=True, slots=True)
class If:
    """``then`` where the match holds, ``otherwise`` where it does not."""

    match: Match
    then: Transfer
    otherwise: Transfer
    at: Span | None = None


@dataclass(frozen=True, slots=True)
class Assign:
    """The field gets a value."""

    field: Field
    value: int
    at: Span | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """The field gets another field's value."""

    field: Field
    origin: Field


@dataclass(frozen=True, slots=True)
class SetBits:
    """``field = (field & ~mask) ^ value``."""

    field: Field
    mask: int
    value: int
    at: Span | None = None


@dataclass(frozen=True, slots=True)
class Merge:
    """``field = (field & ~field_mask) ^ (origin & origin_mask)`` (CONNMARK save and restore)."""

    field: Field
    field_mask: int
    origin: Field
    origin_mask: int
    at: Span | None = None


@dataclass(frozen=True, slots=True)
class Choose:
    """The field gets some value of the ranges: the network's choice, unless ``unknown``."""

    field: Field
    ranges: Ranges
    at: Span | None = None
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Seq:
    """One after the other, while the parts continue."""

    parts: tuple[Transfer, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Like ``Seq``, for long lists whose parts are made when they are first looked at. ``select`` gives the indexes, ascending, of the
    parts that can do anything to a packet whose DESTINATION is in the ranges; the others keep it as it is. ``families`` says parts once more, together."""

    parts: Sequence[Transfer]
    select: Callable[[Ranges], Sequence[int]]
    families: Callable[[], Sequence[Family]] = tuple


@dataclass(frozen=True, slots=True)
class Alt:
    """Any of the branches: the network's choice (random endpoints, equal-cost routes)."""

    branches: tuple[Transfer, ...]
    at: Span | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """The transfer of a point, then on: its ``Return`` (and its end) continue here, every other exit is the caller's exit."""

    point: Point


@dataclass(frozen=True, slots=True)
class Hook:
    """A base chain: ``Accept`` inside continues after it, and so does its end."""

    body: Transfer


@dataclass(frozen=True, slots=True)
class End:
    """Leaves by this exit."""

    exit: Exit
    at: Span | None = None


@dataclass(frozen=True, slots=True)
class Track:
    """Connection tracking (PREROUTING and OUTPUT, priority -200): finds the packet's connection in the namespace.

    Where STATE is UNTRACKED already, nothing. The packet's (protocol, source, destination, ports) equal a connection's original tuple: DIRECTION 0,
    and STATE NEW until a reply was seen, then ESTABLISHED. Equal its reply tuple: DIRECTION 1, STATE ESTABLISHED, and the connection has seen a
    reply. Neither: STATE INVALID for a packet that cannot open a connection (TCP with SYN and ACK or RST, where it is ``strict`` any without SYN, ICMP but the
    requests of nf_conntrack_proto_icmp.c), else a new one, STATE NEW. CONNECTION_MARK, STATUS and the ORIGINAL fields are the connection's. ``replies``: where
    answers are looked up, if that is elsewhere; a new connection is in both.
    """

    scope: Scope
    strict: bool = False
    replies: Scope | None = None


@dataclass(frozen=True, slots=True)
class Translate:
    """Address translation at one hook. ``destination``: PREROUTING and OUTPUT (else POSTROUTING and INPUT).

    A connection that was translated on this side before is translated the same way (its replies the inverse way) without looking at the rules; so is one whose
    first packet has passed. For the first packet of a connection ``rules`` are run, which may ``Rewrite``. Nothing happens to INVALID and UNTRACKED packets. A
    source, translated or not, gets another port where another connection has the answers to it (``get_unique_tuple``): that is not followed (TAKEN).
    """

    scope: Scope
    destination: bool
    rules: Transfer


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Translates the connection (inside ``Translate``): the source or destination gets an address and a port of the ranges
    (None: unchanged), then the chain is accepted. A masqueraded or translated source port that is free stays. ``balanced``: IPVS does it,
    outside ``Translate``; the connection's answers come from there, and conntrack translates nothing (BALANCED_STATUS)."""

    destination: bool
    addresses: Ranges | None
    ports: Ranges | None
    at: Span | None = None
    balanced: bool = False


@dataclass(frozen=True, slots=True)
class Retrace:
    """A packet of a connection that IPVS balances gets the destination that the connection's answers come from."""


@dataclass(frozen=True, slots=True)
class Confirm:
    """The packet's new connection is stored (the end of POSTROUTING and INPUT)."""

    scope: Scope


@dataclass(frozen=True, slots=True)
class Note:
    """The namespace remembers five values: numbers, or what the packet's fields have now. The packet's own connection stays as it is."""

    scope: Scope
    values: tuple[int | Field, ...]


@dataclass(frozen=True, slots=True)
class IfNoted:
    """``then`` where the namespace remembers these values, ``otherwise`` where it does not."""

    scope: Scope
    values: tuple[int | Field, ...]
    then: Transfer
    otherwise: Transfer
    at: Span | None = None


@dataclass(frozen=True, slots=True)
class Encapsulate:
    """The packet is saved and becomes the payload of a new one with these fields; other fields are 0, MARK stays."""

    fields: tuple[tuple[Field, Ranges], ...]
    at: Span | None = None


@dataclass(frozen=True, slots=True)
class Decapsulate:
    """The payload is the packet again; the outer packet is gone. MARK is 0 (``marked``: the outer packet's), the connection is to be looked up again."""

    marked: bool = False


Wrap = Encapsulate | Decapsulate
Step = Assign | Copy | SetBits | Merge | Choose | Track | Note | Translate | Rewrite | Retrace | Confirm | Wrap
Transfer = If | IfNoted | Seq | Table | Alt | Call | Hook | End | Step
KEEP = Seq(())
DROP = Alt(())


class Program(Protocol):
    """Transfers by point, made when they are first asked for. ``address_bits``: how wide addresses get, those of packets around packets too."""

    family: int
    address_bits: int

    def at(self, point: Point) -> Transfer:
        """The transfer of a point. The same point gives the same term each time."""
        ...
