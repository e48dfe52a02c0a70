"""Records with owners in place of what belongs to them: equal forms of two nodes or pods say the same of each."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import lru_cache
from operator import attrgetter
from types import NoneType
from typing import NamedTuple

from analyzer.addresses import WIDTH, Address, Prefix
from analyzer.facts.matches import (
    AddressMatch,
    AddressTypeMatch,
    ConntrackMatch,
    FragmentMatch,
    IcmpMatch,
    InterfaceMatch,
    LengthMatch,
    MarkMatch,
    PortMatch,
    ProtocolMatch,
    ReversePathMatch,
    SetMatch,
    Side,
    StatisticMatch,
    TcpFlagsMatch,
    TimeToLiveMatch,
)
from analyzer.facts.netfilter import (
    CopyMark,
    Jump,
    Masquerade,
    NfRule,
    NoTrack,
    Pass,
    Reject,
    SetMark,
    SetService,
    SetTimeToLive,
    Translate,
    Verdict,
)
from analyzer.facts.system import SysctlFact
from analyzer.query.alike.identities import Identities, Owned
from analyzer.source import Scope

PLAIN = (
    AddressMatch,
    AddressTypeMatch,
    ConntrackMatch,
    FragmentMatch,
    IcmpMatch,
    InterfaceMatch,
    LengthMatch,
    MarkMatch,
    PortMatch,
    ProtocolMatch,
    ReversePathMatch,
    StatisticMatch,
    TcpFlagsMatch,
    TimeToLiveMatch,
)
ENDS = (CopyMark, Jump, Masquerade, NoTrack, Pass, Reject, SetMark, SetService, SetTimeToLive, Verdict)
HIDDEN = frozenset(
    {"at", "scope", "order", "index", "peer_index", "netnsid", "netns_name", "alias", "alternative_names", "promiscuity"}
)
SAME = frozenset({int, bool, frozenset, NoneType})
"""The types of most values, which are nobody's."""
Form = object


class Untold(Exception):
    """Something whose owners cannot be told: nothing is taken to be alike."""


class Beginning(NamedTuple):
    """How names of devices begin that a test is for."""

    name: str


class Shown(NamedTuple):
    """What gives the values of the fields of a kind of record that say something of packets, and which of them is a MAC."""

    values: Callable[[object], tuple[object, ...]]
    mac: int | None


@lru_cache(maxsize=256)
def shown(kind: type) -> Shown | None:
    """The fields of a kind of record that say something of packets; None: it is no record."""
    if not is_dataclass(kind) or issubclass(kind, Mapping):
        return None
    names = [item.name for item in fields(kind) if item.name not in HIDDEN]
    mac = names.index("mac") if "mac" in names else None
    if len(names) > 1:
        return Shown(attrgetter(*names), mac)
    return Shown(lambda record: tuple(getattr(record, name) for name in names), mac)


@dataclass(slots=True)
class Writer:
    """Writes the forms of one namespace's records: what is its own, and its node's, by role; all else by the order in which others are met.
    ``sets`` are the forms of its IP sets; ``others`` are those of the record that was written last; ``wide`` and ``wild`` the networks and beginnings of names that are nobody's own; ``spoken`` those of the
    addresses of ``services`` that are spoken of; ``asked`` the hashes of all addresses, networks and MACs of which it was asked whose they are."""

    known: Identities
    own: Scope
    wide: set[Prefix] = field(default_factory=set)
    wild: set[str] = field(default_factory=set)
    others: list[Scope] = field(default_factory=list)
    services: frozenset[Address] = frozenset()
    sets: Mapping[str, Form] = field(default_factory=dict)
    spoken: set[Address] = field(default_factory=set)
    asked: set[int] = field(default_factory=set)
    home: Scope = field(init=False)
    devices: Mapping[str, Owned] = field(init=False)

    def __post_init__(self) -> None:
        self.home, self.devices = Scope(self.own.node), self.known.devices.get(self.own, {})

    def record(self, value: object) -> Form:
        """The form of one record, and in ``others`` whom it speaks of."""
        self.others = []
        return self.form(value)

    def owned(self, item: Owned) -> Form:
        """What belongs to somebody, by role."""
        scope, role = item
        if scope == self.own:
            return ("own", role)
        if scope == self.home:
            return ("home", role)
        if scope not in self.others:
            self.others.append(scope)
        return ("other", self.others.index(scope), role)

    def form(self, value: object) -> Form:
        """The form of any value of a record."""
        kind: type = type(value)
        if kind in SAME:
            return value
        match value:
            case Address():
                self.asked.add(hash(value))
                item = self.known.addresses.get(value)
                return self.nobodys(value) if item is None else self.owned(item)
            case Prefix():
                return self.network(value)
            case Beginning(name):
                self.wild.add(name)
                return ("begins", name)
            case str():
                item = self.devices.get(value)
                return value if item is None else self.owned(item)
            case tuple():
                return tuple(map(self.form, value))
            case SysctlFact(key=key):
                return (tuple(self.form(part.replace("/", ".")) for part in key.split(".")), value.value)
            case AddressMatch():
                return self.address_match(value)
            case SetMatch(name=name):
                return ("set", self.sets.get(name, name), value.sides, value.negated)
            case NfRule():
                return self.rule(value)
            case _ if (fields := shown(kind)) is not None:
                return (kind.__name__, *self.parts(fields, value))
            case Mapping():
                return tuple((self.form(key), self.form(item)) for key, item in value.items())
            case _:
                return value

    def parts(self, fields: Shown, record: object) -> list[Form]:
        """The forms of a record's fields, most of which are nobody's; numbers that are MACs belong to somebody."""
        devices = self.devices
        found = [
            value if (kind := type(value)) in SAME or (kind is str and value not in devices) else self.form(value)
            for value in fields.values(record)
        ]
        if fields.mac is not None and isinstance(value := found[fields.mac], int):
            self.asked.add(hash(value))
            item = self.known.macs.get(value)
            found[fields.mac] = value if item is None else self.owned(item)
        return found

    def network(self, value: Prefix) -> Form:
        """The form of a network."""
        self.asked.add(asked_of(value))
        item = self.known.network_of(value)
        if item is not None:
            return self.owned(item)
        if value.length < WIDTH[value.family]:
            self.wide.add(value)
        else:
            self.nobodys(Address(value.family, value.value))
        return value

    def nobodys(self, value: Address) -> Address:
        """An address that nobody has, which may be a service's."""
        if value in self.services:
            self.spoken.add(value)
        return value

    def rule(self, rule: NfRule) -> Form:
        """The form of a rule of iptables that can be told (``readable``)."""
        for match in rule.matches:
            if isinstance(match, InterfaceMatch) and match.wildcard:
                self.wild.add(match.name)
        return (tuple(map(self.form, rule.matches)), self.target(rule))

    def target(self, rule: NfRule) -> Form:
        """The form of a rule's target."""
        match rule.target:
            case Translate(addresses=(low, _)):
                return ("SNAT", self.form(Address(family_of(rule), low)), rule.target.ports)
            case target:
                return target

    def address_match(self, match: AddressMatch) -> Form:
        """The form of a test of an address."""
        length = WIDTH[match.family] - free_bits(match).bit_length()
        return (match.side, match.negated, self.network(Prefix(match.family, match.value, length)))


def asked_of(value: Prefix) -> int:
    """The hash of a network, or of the one address of it."""
    return hash(Address(value.family, value.value) if value.length == WIDTH[value.family] else value)


def readable(rule: NfRule, sets: Container[str] = ()) -> bool:
    """Whether it can be told whom a rule speaks of. ``sets``: the IP sets of which that can be told."""
    return all(told(match) if isinstance(match, PLAIN) else asks(match, sets) for match in rule.matches) and simple(rule)


def asks(match: object, sets: Container[str]) -> bool:
    """Whether a test asks one of some IP sets, and nothing else."""
    return isinstance(match, SetMatch) and match.name in sets and len(match.sides) == 1 and not match.options


def told(match: object) -> bool:
    """Whether a test speaks of no address beside those that forms show."""
    match match:
        case ConntrackMatch():
            return not match.addresses
        case AddressMatch():
            free = free_bits(match)
            return not free & (free + 1)
        case _:
            return True


def free_bits(match: AddressMatch) -> int:
    """The bits of an address that a test does not look at."""
    return ~match.mask & ((1 << WIDTH[match.family]) - 1)


def simple(rule: NfRule) -> bool:
    """Whether a rule's target is one that forms show."""
    match rule.target:
        case Translate(side=Side.SOURCE, addresses=(low, high)):
            return low == high and family_of(rule) > 0
        case target:
            return isinstance(target, ENDS)


def family_of(rule: NfRule) -> int:
    """The family of the addresses that a rule tests; 0 where it tests none."""
    return next((match.family for match in rule.matches if isinstance(match, AddressMatch)), 0)
