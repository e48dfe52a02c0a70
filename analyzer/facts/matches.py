"""The matches of iptables rules, after iptables-extensions(8).

What is not understood is an ``UnknownMatch`` that keeps its text.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from analyzer.facts.ipvs import Forwarding
from analyzer.ranges import Ranges


class Side(StrEnum):
    """Which end of the packet a match looks at."""

    SOURCE = "src"
    DESTINATION = "dst"


@dataclass(frozen=True, slots=True)
class AddressMatch:
    """``-s``/``-d``: value and mask, since iptables accepts masks with holes."""

    side: Side
    family: int
    value: int
    mask: int
    negated: bool = False


@dataclass(frozen=True, slots=True)
class ProtocolMatch:
    """``-p``, by number (0 would be "all" and is not stored)."""

    protocol: int
    negated: bool = False


@dataclass(frozen=True, slots=True)
class InterfaceMatch:
    """``-i``/``-o``; ``wildcard`` for a name that ended in ``+`` (the name is stored without it)."""

    incoming: bool
    name: str
    wildcard: bool = False
    negated: bool = False


@dataclass(frozen=True, slots=True)
class DeviceGroupMatch:
    """``devgroup``: the group of the device that the packet comes in by, or goes out by, ``group & mask == value``."""

    incoming: bool
    value: int
    mask: int = 0xFFFFFFFF
    negated: bool = False


@dataclass(frozen=True, slots=True)
class FragmentMatch:
    """``-f``: second and further fragments."""

    negated: bool = False


@dataclass(frozen=True, slots=True)
class PortMatch:
    """``--sport``/``--dport`` of tcp, udp, sctp, dccp, udplite and ``multiport``. ``side`` None: either port (``--ports``)."""

    side: Side | None
    ports: Ranges
    negated: bool = False


@dataclass(frozen=True, slots=True)
class TcpFlagsMatch:
    """``--tcp-flags mask comp`` and ``--syn``: bits FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32."""

    mask: int
    value: int
    negated: bool = False


@dataclass(frozen=True, slots=True)
class IcmpMatch:
    """``--icmp-type``/``--icmpv6-type``: a type (255 in IPv4: any) and a range of codes."""

    type: int
    codes: tuple[int, int] = (0, 255)
    negated: bool = False


@dataclass(frozen=True, slots=True)
class ConntrackMatch:
    """``conntrack`` and ``state``: each given part must hold, each with its own negation.

    ``states`` of NEW ESTABLISHED RELATED INVALID UNTRACKED SNAT DNAT (SNAT and DNAT are read from the translation);
    ``statuses`` of NONE EXPECTED SEEN_REPLY ASSURED CONFIRMED; ``addresses`` of
    (``origsrc`` | ``origdst`` | ``replsrc`` | ``repldst``, value, mask, negated); ``ports`` of (``origsrcport`` …, low, high, negated);
    ``original_direction`` of ``--ctdir``.
    """

    states: frozenset[str] = frozenset()
    states_negated: bool = False
    statuses: frozenset[str] = frozenset()
    statuses_negated: bool = False
    protocol: int | None = None
    protocol_negated: bool = False
    addresses: tuple[tuple[str, int, int, bool], ...] = ()
    ports: tuple[tuple[str, int, int, bool], ...] = ()
    original_direction: bool | None = None
    expire: tuple[int, int, bool] | None = None


@dataclass(frozen=True, slots=True)
class MarkMatch:
    """``mark`` (``connection`` False) and ``connmark`` (True): ``mark & mask == value``."""

    value: int
    mask: int = 0xFFFFFFFF
    negated: bool = False
    connection: bool = False


@dataclass(frozen=True, slots=True)
class SetMatch:
    """``-m set --match-set NAME src,dst``."""

    name: str
    sides: tuple[Side, ...]
    negated: bool = False
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AddressTypeMatch:
    """``addrtype``: types in upper case; ``limit`` is ``in``, ``out`` or empty (``--limit-iface-in``/``-out``)."""

    side: Side
    types: frozenset[str]
    negated: bool = False
    limit: str = ""


@dataclass(frozen=True, slots=True)
class AddressRangeMatch:
    """``iprange``."""

    side: Side
    family: int
    low: int
    high: int
    negated: bool = False


@dataclass(frozen=True, slots=True)
class StatisticMatch:
    """``statistic``: the packet matches by chance (``probability`` as printed) or each n-th time."""

    mode: str
    probability: float | None = None
    every: int | None = None
    packet: int = 0
    negated: bool = False


@dataclass(frozen=True, slots=True)
class PhysdevMatch:
    """``physdev``. Names end in ``+`` where they are wildcards; the three flags are None when not given, else whether they must hold."""

    incoming: str | None = None
    incoming_negated: bool = False
    outgoing: str | None = None
    outgoing_negated: bool = False
    is_in: bool | None = None
    is_out: bool | None = None
    is_bridged: bool | None = None


@dataclass(frozen=True, slots=True)
class RateMatch:
    """``limit``, ``hashlimit``, ``connlimit``, ``quota``, ``connbytes``: true or false with the traffic, which no capture tells."""

    module: str
    text: str


@dataclass(frozen=True, slots=True)
class RecentMatch:
    """``recent``: ``action`` is ``set``, ``rcheck``, ``update`` or ``remove``."""

    name: str
    action: str
    side: Side = Side.SOURCE
    negated: bool = False
    seconds: int | None = None
    hit_count: int | None = None
    reap: bool = False
    mask: int | None = None


@dataclass(frozen=True, slots=True)
class MacMatch:
    """``mac --mac-source``."""

    mac: int
    negated: bool = False


@dataclass(frozen=True, slots=True)
class LengthMatch:
    """``length``: the length of the whole IP packet in bytes with its header, inclusive, in both families."""

    low: int
    high: int
    negated: bool = False


@dataclass(frozen=True, slots=True)
class TimeToLiveMatch:
    """``ttl`` and ``hl``: ``operator`` of eq, ne, lt, gt."""

    operator: str
    value: int


@dataclass(frozen=True, slots=True)
class TypeOfServiceMatch:
    """``tos``, ``dscp`` and ``ecn``: of the byte that holds the service class and ECN's two bits, ``byte & mask == value``."""

    value: int
    mask: int
    negated: bool = False


class WordTest(NamedTuple):
    """One test of ``u32``: of the 32 bits that begin ``offset`` bytes into the IP header (``base`` of nh) or the one behind it (th), moved to the right by
    ``shift`` bits (to the left where it is negative), those of ``mask`` are in one of the ranges."""

    base: str
    offset: int
    shift: int
    mask: int
    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class WordMatch:
    """``u32``: all tests hold, or, ``negated``, not all do; ``text`` is what was written."""

    tests: tuple[WordTest, ...]
    text: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class OwnerMatch:
    """``owner``: the sending process; ``uid``/``gid`` ranges; ``text`` holds what else was asked."""

    user_ids: tuple[int, int] | None = None
    user_negated: bool = False
    group_ids: tuple[int, int] | None = None
    group_negated: bool = False
    text: str = ""

    @property
    def without_socket(self) -> bool:
        """Whether a packet matches that no socket of this host sent: where every test is negated (net/netfilter/xt_owner.c ``owner_mt``)."""
        told = ((self.user_ids, self.user_negated), (self.group_ids, self.group_negated))
        return self.text.count("--") == self.text.count("! --") and all(negated or ids is None for ids, negated in told)


@dataclass(frozen=True, slots=True)
class PacketTypeMatch:
    """``pkttype``: ``unicast``/``host``, ``broadcast``, ``multicast``."""

    type: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class ReversePathMatch:
    """``rpfilter``: matches packets that would pass the reverse path test (``inverted``: that would not)."""

    loose: bool = False
    valid_mark: bool = False
    accept_local: bool = False
    inverted: bool = False


@dataclass(frozen=True, slots=True)
class SocketMatch:
    """``socket --transparent``: the packet has a transparent socket here; ``wildcard``: also one that is bound to no address."""

    wildcard: bool = False


@dataclass(frozen=True, slots=True)
class BalancedMatch:
    """``ipvs``: that IPVS has handled the packet (``what`` is empty), or one test of the connection that it is of: ``protocol`` and ``port`` (a number, twice),
    ``address`` (value and mask), ``replies`` (it is one), ``method``. Without a connection the tests of one do not hold, negated or not."""

    what: str
    value: tuple[int, int] | Forwarding | None = None
    negated: bool = False

    def __str__(self) -> str:
        own = (
            f"is of a connection of IPVS with the {self.what} {self.value or ''}".rstrip() if self.what else "was handled by IPVS"
        )
        return f"is not one that {own}" if self.negated else own


@dataclass(frozen=True, slots=True)
class ExtensionHeaderMatch:
    """``rt``, ``frag``, ``hbh``, ``dst`` of ip6tables: what an IPv6 extension header says. A packet without one does not match, negated or not."""

    header: str


@dataclass(frozen=True, slots=True)
class IpsecMatch:
    """``policy``: IPsec transformed the packet, or will (``--pol ipsec``, with whatever else is said of the policies), or does not (``--pol none``)."""

    transformed: bool


class Concerned(StrEnum):
    """The packets that a match may hold for of which no capture tells whether it does."""

    EVERY = "every packet"
    OWN = "packets that have a socket of this host: what it sent, and, in INPUT, what a socket was already found for"
    FOUND = "packets that a socket of this host is looked for"
    OPENING = "packets of TCP with SYN"


@dataclass(frozen=True, slots=True)
class OpenMatch:
    """A match of which no capture tells whether it holds for the packets that it concerns; of all others it is known (``otherwise``). ``settle``: what tells."""

    text: str
    settle: str
    concerned: Concerned = Concerned.EVERY
    otherwise: bool = False


@dataclass(frozen=True, slots=True)
class UnknownMatch:
    """A match that is not understood, with its text: it may hold or not."""

    text: str


Match = (
    AddressMatch
    | ProtocolMatch
    | InterfaceMatch
    | DeviceGroupMatch
    | FragmentMatch
    | PortMatch
    | TcpFlagsMatch
    | IcmpMatch
    | ConntrackMatch
    | MarkMatch
    | SetMatch
    | AddressTypeMatch
    | AddressRangeMatch
    | StatisticMatch
    | PhysdevMatch
    | RateMatch
    | RecentMatch
    | MacMatch
    | LengthMatch
    | TimeToLiveMatch
    | TypeOfServiceMatch
    | WordMatch
    | OwnerMatch
    | PacketTypeMatch
    | ReversePathMatch
    | SocketMatch
    | BalancedMatch
    | ExtensionHeaderMatch
    | IpsecMatch
    | OpenMatch
    | UnknownMatch
)
