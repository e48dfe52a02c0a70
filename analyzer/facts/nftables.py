"""Native nftables rulesets: tables, chains, rules as sequences of statements, sets and maps (nft(8), libnftables-json(5)).

Both forms of ``nft list ruleset`` give the same values. Constants are numbers as the kernel compares them (host byte order); the names of
interfaces stay text. What is not understood keeps its text: an ``UnknownMatch`` may hold or not, an ``UnknownTarget`` may also drop or change the packet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from analyzer.addresses import Prefix
from analyzer.facts.base import Fact
from analyzer.facts.matches import OpenMatch, RateMatch, UnknownMatch
from analyzer.facts.netfilter import (
    Jump,
    NoTrack,
    Pass,
    Queue,
    Reject,
    SetService,
    SetTimeToLive,
    TransparentProxy,
    UnknownTarget,
    Verdict,
    Zone,
)
from analyzer.source import Span

IP6_HEADER = 40
"""What the length in an IPv6 header leaves out: the header itself (RFC 8200, Payload Length)."""


@dataclass(frozen=True, slots=True)
class Payload:
    """A header field, such as ``ip saddr``, ``tcp dport``; ``th`` is any transport header, ``ether`` the frame's."""

    protocol: str
    name: str


@dataclass(frozen=True, slots=True)
class Raw:
    """``@nh,96,32``: bits by their place in the IP header (nh), the one behind it (th) or the frame's (ll)."""

    base: str
    offset: int
    length: int

    def __str__(self) -> str:
        return f"@{self.base},{self.offset},{self.length}"


@dataclass(frozen=True, slots=True)
class Meta:
    """``meta mark``, ``iifname`` …"""

    key: str


@dataclass(frozen=True, slots=True)
class Ct:
    """``ct state``, ``ct original ip saddr``; ``direction`` is ``original``, ``reply`` or empty."""

    key: str
    direction: str = ""


@dataclass(frozen=True, slots=True)
class Fib:
    """``fib saddr . iif oif``: flags sorted; ``result`` is ``type``, ``oif`` or ``oifname``. ``present``: only whether there is a result."""

    result: str
    flags: tuple[str, ...]
    present: bool = False


@dataclass(frozen=True, slots=True)
class Pick:
    """``numgen`` and hashes: a number from ``offset`` below ``offset + modulus``; ``mode`` is ``random``, ``inc``, ``jhash`` or ``symhash``."""

    mode: str
    modulus: int
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Bitwise:
    """``(of & mask) ^ flip``."""

    of: Payload | Raw | Meta | Ct
    mask: int
    flip: int = 0


@dataclass(frozen=True, slots=True)
class Unread:
    """An expression that is not modelled."""

    text: str


Selector = Payload | Raw | Meta | Ct | Fib | Pick | Bitwise | Unread
Key = tuple[Selector, ...]
Value = tuple[int, int] | str
"""An inclusive range of numbers, or the name of an interface, which may end in ``*``."""
Act = Verdict | Jump


class Element(NamedTuple):
    """An element of a set, with its data in a map: a verdict, or values. An empty key is ``*``, which stands for all else."""

    key: tuple[Value, ...]
    data: Act | tuple[Value, ...] | None = None


@dataclass(frozen=True, slots=True)
class NftSet:
    """A set, map or verdict map; without a name where a rule holds it. ``types`` are of the key's parts, ``data`` of the values.

    ``fleeting``: packets add elements, or elements time out, so that it may hold others by now. ``unread`` are elements that are not understood.
    """

    name: str
    types: tuple[str, ...]
    data: tuple[str, ...] = ()
    elements: tuple[Element, ...] = ()
    unread: tuple[str, ...] = ()
    fleeting: bool = False
    at: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Among:
    """A test: the key's values are in the set (named, or the rule's own), or, ``negated``, are not."""

    key: Key
    values: NftSet | str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Negations:
    """Negated tests of which it is not known whether all must hold or one: what is known is a packet that passes all, or none; nothing where one of them is not
    modelled, but of a packet without their header."""

    parts: tuple[Among | UnknownMatch, ...]


@dataclass(frozen=True, slots=True)
class VerdictMap:
    """``key vmap …``: the verdict of the element that holds the key; the rule ends where there is none."""

    key: Key
    values: NftSet | str


@dataclass(frozen=True, slots=True)
class LookUp:
    """``key map …``: the data of the element that holds the key; the rule ends where there is none."""

    key: Key
    values: NftSet | str


@dataclass(frozen=True, slots=True)
class SetTo:
    """``meta mark set``, ``ct mark set`` (``connection``): ``(origin & mask) ^ flip``; without an origin, ``flip``."""

    connection: bool
    origin: Payload | Meta | Ct | LookUp | None
    mask: int = 0
    flip: int = 0


@dataclass(frozen=True, slots=True)
class SetZone:
    """``ct zone set … map``: the connection is looked up in the zone that the map gives, in one ``direction`` or in both (empty)."""

    look_up: LookUp
    direction: str = ""


@dataclass(frozen=True, slots=True)
class Translation:
    """``dnat``, ``snat``, ``masquerade``, ``redirect`` (``kind``): to an address range and a port range, each None when unchanged, or to the
    data of a map (an address, to which ``ports`` belong, or an address and a port). ``family`` is 4 or 6 where the statement is for one.
    ``random``: the port is picked. ``network``: the address moves to this network and keeps its host part."""

    kind: str
    family: int | None = None
    addresses: tuple[int, int] | None = None
    ports: tuple[int, int] | None = None
    look_up: LookUp | None = None
    random: bool = False
    network: Prefix | None = None


@dataclass(frozen=True, slots=True)
class Remember:
    """``add``, ``update`` or ``delete @set { key }``: the set is changed for later packets. ``limited`` where a limit decides what follows."""

    operation: str
    name: str
    key: Key
    limited: bool = False


@dataclass(frozen=True, slots=True)
class Offload:
    """``flow add @flowtable``: later packets of the connection go from device to device without the hooks."""

    name: str


Statement = (
    Among
    | Negations
    | VerdictMap
    | SetTo
    | SetZone
    | Translation
    | Remember
    | Offload
    | Verdict
    | Jump
    | Reject
    | NoTrack
    | Zone
    | TransparentProxy
    | SetService
    | SetTimeToLive
    | Queue
    | Pass
    | RateMatch
    | OpenMatch
    | UnknownMatch
    | UnknownTarget
)


@dataclass(frozen=True, slots=True)
class NftRule:
    """One rule: its statements in order; a test that does not hold ends it. ``number`` counts from 1 in its chain."""

    statements: tuple[Statement, ...]
    number: int
    at: Span = field(compare=False, repr=False)
    text: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Base:
    """Where a base chain is called: ``kind`` of filter, nat, route; ``hook`` such as ``prerouting``; ``devices`` for ingress and egress."""

    kind: str
    hook: str
    priority: int
    policy: str = "accept"
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NftChain:
    """A chain; ``base`` is None for one that is only jumped to. Rules are read from the text when they are first looked at."""

    name: str
    rules: Sequence[NftRule]
    base: Base | None
    at: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NftTableFact(Fact):
    """One table with what is in it, each in listing order. ``objects`` are counters, quotas and limits by kind and name; ``flowtables`` have their
    devices. A ``dormant`` table sees no packets."""

    family: str
    name: str
    chains: Mapping[str, NftChain]
    sets: Mapping[str, NftSet]
    flowtables: Mapping[str, tuple[str, ...]]
    objects: tuple[tuple[str, str], ...] = ()
    dormant: bool = False
