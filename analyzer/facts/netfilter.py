"""Netfilter rulesets of iptables (both back ends and families) and IP sets.

Targets follow iptables-extensions(8); one that is not understood is ``UnknownTarget`` and keeps its text.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from analyzer.addresses import Address, Prefix
from analyzer.facts.base import Fact
from analyzer.facts.matches import Match, Side
from analyzer.ranges import Ranges
from analyzer.source import Span


@dataclass(frozen=True, slots=True)
class Verdict:
    """``ACCEPT``, ``DROP`` or ``RETURN``."""

    name: str


@dataclass(frozen=True, slots=True)
class Jump:
    """``-j chain``, or ``-g chain`` with ``goto``."""

    chain: str
    goto: bool = False


@dataclass(frozen=True, slots=True)
class Reject:
    """``REJECT --reject-with``."""

    answer: str = "icmp-port-unreachable"


@dataclass(frozen=True, slots=True)
class Translate:
    """``DNAT`` (``side`` DESTINATION), ``SNAT`` (SOURCE): to an address range and a port range, each None when unchanged. With a ``base`` the port
    is as far into the range as the old one is behind the base (nf_nat_core.c ``nf_nat_l4proto_unique_tuple``, NF_NAT_RANGE_PROTO_OFFSET)."""

    side: Side
    addresses: tuple[int, int] | None = None
    ports: tuple[int, int] | None = None
    random: bool = False
    persistent: bool = False
    base: int | None = None

    def shifted(self, old: int) -> int:
        """The port of a range with a base; it goes round."""
        low, high = self.ports or (0, 0xFFFF)
        return low + ((old - (self.base or 0)) & 0xFFFF) % (high - low + 1)


@dataclass(frozen=True, slots=True)
class Masquerade:
    """``MASQUERADE``: the source becomes the address of the device the packet leaves by."""

    ports: tuple[int, int] | None = None
    random: bool = False


@dataclass(frozen=True, slots=True)
class Redirect:
    """``REDIRECT``: the destination becomes this host's own address."""

    ports: tuple[int, int] | None = None
    random: bool = False


@dataclass(frozen=True, slots=True)
class NetworkMap:
    """``NETMAP``: the network part of the address (destination in PREROUTING and OUTPUT, source in POSTROUTING and INPUT) is replaced."""

    to: Prefix


@dataclass(frozen=True, slots=True)
class SetMark:
    """Every way of setting the mark, as ``mark = (mark & ~mask) ^ value``; ``connection`` for CONNMARK."""

    value: int
    mask: int = 0xFFFFFFFF
    connection: bool = False


@dataclass(frozen=True, slots=True)
class CopyMark:
    """``CONNMARK --save-mark`` (``save``) and ``--restore-mark``: ``to = (to & ~to_mask) ^ (from & from_mask)``."""

    save: bool
    packet_mask: int = 0xFFFFFFFF
    connection_mask: int = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class SetTimeToLive:
    """``TTL`` and ``HL``: the TTL or hop limit becomes ``factor`` times what it was, plus ``value``, between 0 and 255."""

    factor: int
    value: int

    def after(self, old: int) -> int:
        """What a TTL becomes."""
        return max(0, min(255, self.factor * old + self.value))


@dataclass(frozen=True, slots=True)
class SetService:
    """``TOS``, ``DSCP`` and nft's ``ip dscp set``: of the byte that holds the service class and ECN's two bits, ``(old & ~mask) ^ value``.
    ``value`` None: not known what the bits become. ``family``: of packets of this family alone; None: of both."""

    value: int | None
    mask: int
    family: int | None = None

    def after(self, old: int | None) -> int | None:
        """What the byte becomes; None where that is not known."""
        return None if old is None or self.value is None else (old & ~self.mask) ^ self.value


@dataclass(frozen=True, slots=True)
class NoTrack:
    """``NOTRACK`` and ``CT --notrack``."""


@dataclass(frozen=True, slots=True)
class Zone:
    """``CT --zone``, ``--zone-orig``, ``--zone-reply``: connections are looked up in a table of their own, in one ``direction`` (``original``, ``reply``) or
    in both (empty). ``number``: which, 0 to 65535; None: what the lowest 16 bits of the packet's mark say. In the other direction it is zone 0."""

    number: int | None = 0
    direction: str = ""


@dataclass(frozen=True, slots=True)
class TransparentProxy:
    """``TPROXY``: the packet goes to a local socket and the mark is set."""

    port: int
    address: Address | None = None
    mark: int = 0
    mask: int = 0


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """``SET``: the packet's values are added to a set, taken out of one, or both; each by its name and the sides that are looked at."""

    added: tuple[str, tuple[Side, ...]] | None = None
    removed: tuple[str, tuple[Side, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """``NFQUEUE`` and nft's ``queue``: a program decides that listens on a queue of these numbers, first and last (None: they are computed). ``bypass``: without a
    listener the base chain accepts the packet, which is lost otherwise."""

    numbers: tuple[int, int] | None
    bypass: bool = False

    def __str__(self) -> str:
        if self.numbers is None:
            return "a queue that is computed"
        low, high = self.numbers
        return f"queue {low}" if low == high else f"one of the queues {low} to {high}"


@dataclass(frozen=True, slots=True)
class Pass:
    """A target that lets the packet go on as far as delivery is concerned: LOG, NFLOG, TCPMSS, CHECKSUM, CLASSIFY … (or no target)."""

    name: str


@dataclass(frozen=True, slots=True)
class UnknownTarget:
    """A target that is not understood, with its text: it may accept, drop, change or let pass."""

    text: str


Target = (
    Verdict
    | Jump
    | Reject
    | Translate
    | Masquerade
    | Redirect
    | NetworkMap
    | SetMark
    | CopyMark
    | SetService
    | SetTimeToLive
    | NoTrack
    | Zone
    | TransparentProxy
    | ChangeSet
    | Queue
    | Pass
    | UnknownTarget
)


@dataclass(frozen=True, slots=True)
class NfRule:
    """One rule: all matches must hold for the target to apply. ``number`` counts from 1 in its chain."""

    matches: tuple[Match, ...]
    target: Target
    number: int
    at: Span = field(compare=False, repr=False)
    comment: str = ""
    text: str = field(default="", compare=False, repr=False)


class NfRules(Protocol):
    """The rules of a chain in order, each read from its text when it is first looked at."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> NfRule: ...

    def __iter__(self) -> Iterator[NfRule]: ...

    def candidates(self, family: int, destinations: Ranges) -> Sequence[int]:
        """The indexes (from 0, ascending) of the rules that a packet to one of these addresses could match, found without
        reading the others: every rule whose text does not name another destination is among them."""
        ...

    def indexed(self) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
        """The single destinations that rules name, ascending, each with its rule's index; and the indexes of the rules that name none."""
        ...

    def line(self, index: int) -> str:
        """A rule's text."""
        ...

    def whole(self) -> str:
        """The text of all rules, one a line."""
        ...


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain: its rules in order, read from the text when they are first looked at. ``policy`` is None for a user's chain.

    ``content`` is the chain's text and its policy, by which equal chains of one family are recognised on several nodes.
    ``broken`` are the rules' numbers that could not be read at all: their ``NfRule`` is an UnknownMatch with an UnknownTarget.
    """

    name: str
    policy: str | None
    rules: NfRules
    at: Span = field(compare=False, repr=False)
    content: str = field(default="", compare=False, repr=False)


class Contents(Protocol):
    """Chains by name whose contents are known without making them."""

    def content(self, name: str) -> str:
        """The text of a chain and its policy; KeyError where there is none."""
        ...

    def shared(self) -> tuple[Hashable, frozenset[str]]:
        """What is equal for tables with the same chains, but for some chains; and these."""
        ...


@runtime_checkable
class Drawn(Contents, Protocol):
    """``Contents``, as can be asked of a value."""


@dataclass(frozen=True, slots=True)
class Whole:
    """The contents of chains that were all made."""

    chains: Mapping[str, Chain]

    def content(self, name: str) -> str:
        """The text of a chain and its policy."""
        return self.chains[name].content

    def shared(self) -> tuple[Hashable, frozenset[str]]:
        """Nothing is known to be equal."""
        return None, frozenset(self.chains)


def contents_of(chains: Mapping[str, Chain]) -> Contents:
    """The contents of chains, which are not made for this where that can be helped."""
    return chains if isinstance(chains, Drawn) else Whole(chains)


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesetFact(Fact):
    """What one ``iptables-save`` printed: tables by name (raw, mangle, nat, filter, security), chains by name."""

    family: int
    backend: str
    tables: Mapping[str, Mapping[str, Chain]]


@dataclass(frozen=True, slots=True, kw_only=True)
class IpsetFact(Fact):
    """One IP set with its members as text, in order; ``type`` such as ``hash:ip,port`` or ``list:set``."""

    name: str
    type: str
    family: int
    members: tuple[str, ...]
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NftChainFact(Fact):
    """A base chain of ``nft list ruleset`` that iptables did not make: it sees packets too.

    ``family`` is ip, ip6, inet, arp, bridge or netdev. ``inert`` when the chain, with all it jumps to, can only accept:
    no rule drops, rejects, translates, marks or is not understood, and its policy is accept.
    """

    family: str
    table: str
    name: str
    hook: str
    kind: str
    priority: int
    policy: str
    inert: bool
    rules: int = 0
