"""Values that the readings of the language share: fields by position, connections, and which packets open one."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

from analyzer.ranges import Ranges, normalised
from analyzer.solve.packet import ACK, ICMP, ICMPV6, PSH, RST, SCTP, SYN, TCP, UDP, URG
from analyzer.source import Scope
from analyzer.transfer.ir import BALANCED_STATUS, DNAT_STATUS, SNAT_STATUS, Drop, Exit, Field, Rewrite, Unknown

V = TypeVar("V")

FIELDS: tuple[Field, ...] = tuple(Field)
INDEX: dict[Field, int] = {field: position for position, field in enumerate(FIELDS)}
SOURCE, DESTINATION, PROTOCOL = INDEX[Field.SOURCE], INDEX[Field.DESTINATION], INDEX[Field.PROTOCOL]
SOURCE_PORT, DESTINATION_PORT = INDEX[Field.SOURCE_PORT], INDEX[Field.DESTINATION_PORT]
ICMP_TYPE, TCP_FLAGS, MARK = INDEX[Field.ICMP_TYPE], INDEX[Field.TCP_FLAGS], INDEX[Field.MARK]
STATE, STATUS, DIRECTION = INDEX[Field.STATE], INDEX[Field.STATUS], INDEX[Field.DIRECTION]
CONNECTION_MARK = INDEX[Field.CONNECTION_MARK]
ORIGINAL_SOURCE, ORIGINAL_DESTINATION = INDEX[Field.ORIGINAL_SOURCE], INDEX[Field.ORIGINAL_DESTINATION]
ORIGINAL_DESTINATION_PORT = INDEX[Field.ORIGINAL_DESTINATION_PORT]
HOPS = 1024
"""After so many points of the program a packet is taken to go in circles: two ways through a switch of OVN, with the hosts before, between and behind, are nearly 300."""
TUPLE = (PROTOCOL, SOURCE, SOURCE_PORT, DESTINATION, DESTINATION_PORT)
OF_CONNECTION = (STATE, STATUS, CONNECTION_MARK, DIRECTION, ORIGINAL_SOURCE, ORIGINAL_DESTINATION, ORIGINAL_DESTINATION_PORT)

DCCP, UDPLITE = 33, 136
WITH_PORTS: Ranges = normalised((number, number) for number in (TCP, UDP, SCTP, DCCP, UDPLITE))
PINGS: Ranges = normalised((number, number) for number in (ICMP, ICMPV6))
REQUESTS: Ranges = normalised((number, number) for number in (8, 13, 15, 17, 128, 139))
"""ICMP types that open a connection (valid_new of nf_conntrack_proto_icmp.c and nf_conntrack_proto_icmpv6.c)."""
OPENING: Ranges = normalised(
    (flags, flags) for push in (0, PSH) for flags in (SYN | push, SYN | URG | push, ACK | push, ACK | URG | push)
)
"""TCP flags that open a connection: the valid ones (tcp_valid_flags) with SYN alone, or ACK alone (nf_conntrack_tcp_loose)."""
ALONE: Ranges = normalised((flags, flags) for flags in (SYN, SYN | PSH, SYN | URG))
"""Those that open one where nf_conntrack_tcp_loose is 0."""
CONTINUING: Ranges = normalised((flags, flags) for flags in range(64) if flags & (SYN | RST | ACK) == ACK)
"""TCP flags that are INVALID in a connection of whose SYN no answer was seen (``tcp_conntracks``, from TCP_CONNTRACK_SYN_SENT)."""

TAKEN = Unknown(
    "another connection has these addresses and ports: address translation picks another source port, which is not followed"
)
"""How a source translation ends whose tuple is another connection's."""

NO_PAYLOAD = Drop("not a packet of a tunnel: it has no payload to take out")


class Tuple(NamedTuple, Generic[V]):
    """One direction of a connection. For ICMP ``source_port`` is the identifier in both directions."""

    protocol: V
    source: V
    source_port: V
    destination: V
    destination_port: V


class Connection(NamedTuple, Generic[V]):
    """A connection of a namespace. ``confirmed``: its first packet has passed; ``status`` has SNAT_STATUS, DNAT_STATUS and SEEN_REPLY.
    ``guards``: in a set of states it is there only where each of these variables is in its ranges. ``replies``: where its answers are looked up, if that is
    not its ``scope``."""

    scope: Scope
    original: Tuple[V]
    reply: Tuple[V]
    mark: V
    status: int = 0
    source_decided: bool = False
    destination_decided: bool = False
    confirmed: bool = False
    guards: tuple[tuple[str, Ranges], ...] = ()
    replies: Scope | None = None

    @property
    def ends(self) -> tuple[Scope, Scope]:
        """Where either direction is looked up."""
        return self.scope, self.replies or self.scope

    def clashing(self, other: Connection[V]) -> tuple[bool, bool]:
        """Whether another connection's own tuple, and its answers', keep this one from having answers with the same (``nf_conntrack_tuple_taken``)."""
        own, replies = self.ends
        theirs, answers = other.ends
        return theirs == replies == own, answers == replies


def inverted(pair: Tuple[V], ping: bool) -> Tuple[V]:
    """The tuple of the answers; ICMP keeps its identifier in its place."""
    if ping:
        return Tuple(pair.protocol, pair.destination, pair.source_port, pair.source, pair.destination_port)
    return Tuple(pair.protocol, pair.destination, pair.destination_port, pair.source, pair.source_port)


def remembered(scope: Scope, values: Tuple[V], mark: V) -> Connection[V]:
    """What a namespace remembers, as a connection that no packet is of."""
    return Connection(scope, values, values, mark, confirmed=True)


def status_of(transfer: Rewrite) -> int:
    """The bit of STATUS that a translated connection gets."""
    return BALANCED_STATUS if transfer.balanced else DNAT_STATUS if transfer.destination else SNAT_STATUS


def final(exit: Exit) -> bool:
    """Whether a packet goes no further by this exit."""
    return isinstance(exit, Drop | Unknown)
