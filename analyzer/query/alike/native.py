"""Rules of nft's own tables that packets to the capture's addresses may meet, with whom they speak of.

As with iptables (``chains.py``), a chain whose rules cannot be told (a translation to endpoints, a limit, what packets change) is not read, nor is one from which every packet
goes on to such a chain. Elements of sets and maps for one service's address are told of that service (``native_services.py``), those for addresses that nobody has are left
out. Numbers that are addresses are written as addresses, so that they can be told of whoever has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import NamedTuple

from analyzer.addresses import WIDTH, Address, Prefix
from analyzer.facts.netfilter import Jump, NoTrack, Pass, Reject, SetService, SetTimeToLive, Verdict
from analyzer.facts.nftables import (
    Act,
    Among,
    Base,
    Bitwise,
    Ct,
    Element,
    Fib,
    Key,
    Meta,
    NftChain,
    NftRule,
    NftSet,
    NftTableFact,
    Payload,
    Pick,
    Selector,
    SetTo,
    Statement,
    Translation,
    Value,
    VerdictMap,
)
from analyzer.model.network import Namespace
from analyzer.query.alike.chains import Met, Reached, unread_of
from analyzer.query.alike.forms import Beginning, Form, Untold
from analyzer.ranges import Ranges, intersection
from analyzer.transfer.nft.tables import saved

HOOKS = frozenset({"prerouting", "input", "forward", "output", "postrouting"})
ADDRESSES = {("ip", "saddr"): 4, ("ip", "daddr"): 4, ("ip6", "saddr"): 6, ("ip6", "daddr"): 6}
HEADERS = frozenset({"th", "tcp", "udp", "sctp", "dccp", "udplite", "icmp", "icmpv6"})
PLAIN_META = frozenset({"mark", "l4proto", "nfproto", "protocol", "length", "pkttype"})
PLAIN_CT = frozenset({"state", "mark", "status", "direction", "l3proto", "protocol"})
DEVICES = frozenset({"iif", "iifname", "oif", "oifname"})
PARTS = 32
"""Networks that a range of addresses is written as, at most: beyond, its chain is not read."""


class NativeEntry(NamedTuple):
    """An element of a set or map for one service's address: where it stands (the chain, the rule, the statement), the address, the form of its other parts, and what it
    leads to, in a map."""

    place: tuple[str, int, int]
    address: Address
    beside: Form
    data: Act | None


class NativeEntered(NamedTuple):
    """A table with elements for single services."""

    table: NftTableFact
    entries: tuple[NativeEntry, ...]


@dataclass(slots=True)
class Written:
    """A rule while it is written: its parts, the chains that it leads to (and whether only some packets go there), the ports of those that do, and whether it can be told.
    ``entries``: its elements for single services; ``aimed``: the chains that packets to one address go to."""

    table: NftTableFact
    reached: Reached
    place: tuple[str, int]
    parts: list[Form] = field(default_factory=list)
    jumps: dict[str, bool] = field(default_factory=dict)
    ports: list[tuple[str, Ranges]] = field(default_factory=list)
    chosen: bool = False
    told: bool = True
    never: bool = False
    entries: list[NativeEntry] = field(default_factory=list)
    aimed: set[str] = field(default_factory=set)
    single: bool = False

    def add(self, statement: Statement) -> None:
        """Adds a statement."""
        match statement:
            case Among(key, values, negated):
                self.test(key, self.set_of(values), negated)
            case VerdictMap(key, values):
                self.dispatch(key, self.set_of(values))
            case Jump(name):
                self.jump(name, ())
                self.parts.append(("jump", repr(statement)))
            case Translation("masquerade" | "snat") if (form := translated(statement)) is not None:
                self.parts.append(form)
            case SetTo(origin=None | Meta("mark") | Ct("mark")):
                self.parts.append(repr(statement))
            case Verdict() | Reject() | NoTrack() | Pass() | SetService() | SetTimeToLive():
                self.parts.append(repr(statement))
            case _:
                self.told = False

    def set_of(self, values: NftSet | str) -> NftSet | None:
        """A set, named or a rule's own; None where what it has is not known."""
        found = self.table.sets.get(values) if isinstance(values, str) else values
        return None if found is None or found.fleeting or found.unread else found

    def test(self, key: Key, of: NftSet | None, negated: bool) -> None:
        """A test of a set."""
        before, found = len(self.entries), self.elements(key, of)
        if found is None:
            self.told = False
        elif not found and not negated and len(self.entries) == before:
            self.never = True
        else:
            self.chosen |= any(map(chooses, key))
            self.single |= of is not None and not of.name and not negated and any(map(is_target, key)) and bool(found)
            self.parts.append(("among", repr(key), negated, tuple(form for _, form in found)))

    def dispatch(self, key: Key, of: NftSet | None) -> None:
        """A verdict map."""
        found = self.elements(key, of)
        if found is None:
            self.told = False
            return
        self.chosen |= any(map(chooses, key))
        for element, _ in found:
            if isinstance(element.data, Jump):
                self.jump(element.data.chain, ports_of(key, element))
                self.aimed |= {element.data.chain} if any(map(is_target, key)) else set()
        self.parts.append(("vmap", repr(key), tuple((form, repr(element.data)) for element, form in found)))

    def jump(self, chain: str, ports: Ranges) -> None:
        """A chain that packets may go to."""
        self.jumps[chain] = self.jumps.get(chain, True) and self.chosen
        if ports:
            self.ports.append((chain, ports))
        if self.single:
            self.aimed.add(chain)

    def elements(self, key: Key, of: NftSet | None) -> list[tuple[Element, Form]] | None:
        """The elements that may hold a packet to one of the addresses, with their forms; None where they cannot be told."""
        if of is None or not all(map(tellable, key)):
            return None
        found: list[tuple[Element, Form]] = []
        for element in of.elements:
            if not element.key or all(self.possible(part, value) for part, value in zip(key, element.key, strict=True)):
                form = tuple(value_form(part, value) for part, value in zip(key, element.key, strict=False))
                if UNTOLD in form:
                    return None
                if (entry := self.entry(key, element, form)) is not None:
                    self.entries.append(entry)
                else:
                    found.append((element, form))
        return sorted(found, key=lambda item: repr(item[0].key))

    def entry(self, key: Key, element: Element, form: tuple[Form, ...]) -> NativeEntry | None:
        """An element that is for one service's address."""
        for place, (part, value) in enumerate(zip(key, form, strict=False)):
            if is_target(part) and isinstance(value, Address) and value in self.reached.services:
                data = element.data if isinstance(element.data, Verdict | Jump) else None
                return NativeEntry((*self.place, len(self.parts)), value, (*form[:place], *form[place + 1 :]), data)
        return None

    def possible(self, part: Selector, value: Value) -> bool:
        """Whether a value of an element may be that of a packet to one of the addresses."""
        family = ADDRESSES[part.protocol, part.name] if isinstance(part, Payload) and is_target(part) else None
        return family is None or isinstance(value, str) or bool(intersection((value,), self.reached.destinations[family]))


UNTOLD = object()


def tellable(part: Selector) -> bool:
    """Whether what a test looks at is shown by its form."""
    match part:
        case Payload(protocol, name):
            return (protocol, name) in ADDRESSES or protocol in HEADERS or name in ("ttl", "hoplimit", "protocol", "nexthdr")
        case Meta(key):
            return key in PLAIN_META | DEVICES
        case Ct(key, direction):
            return key in PLAIN_CT and not direction
        case Fib() | Pick():
            return True
        case Bitwise(Meta("mark") | Ct("mark" | "state" | "status")) | Bitwise(Payload("tcp", "flags")):
            return True
        case _:
            return False


def chooses(part: Selector) -> bool:
    """Whether a test looks at what a packet asks for."""
    match part:
        case Payload("ip" | "ip6", "daddr") | Payload(_, "dport" | "protocol" | "nexthdr") | Meta("l4proto"):
            return True
        case Fib("type", flags):
            return "daddr" in flags
        case _:
            return False


def is_target(part: Selector) -> bool:
    """Whether a test looks at whom a packet is for."""
    return part in (Payload("ip", "daddr"), Payload("ip6", "daddr"))


def value_form(part: Selector, value: Value) -> Form:
    """A value, with addresses as such and devices by name."""
    if isinstance(value, str):
        return Beginning(value.removesuffix("*")) if value.endswith("*") else value
    family = ADDRESSES.get((part.protocol, part.name)) if isinstance(part, Payload) else None
    if family is None:
        return UNTOLD if numbers_devices(part) else repr(value)
    if value[0] == value[1]:
        return Address(family, value[0])
    networks = list(networks_of(family, *value))
    return tuple(networks) if len(networks) <= PARTS else UNTOLD


def numbers_devices(part: Selector) -> bool:
    """Whether a number is that of a device."""
    match part:
        case Meta(key):
            return key in DEVICES
        case Fib(result, _, present):
            return result != "type" and not present
        case _:
            return False


def networks_of(family: int, low: int, high: int) -> Iterator[Prefix]:
    """The fewest networks that together are a range of addresses."""
    while low <= high:
        free = min((low & -low).bit_length() - 1 if low else WIDTH[family], (high - low + 1).bit_length() - 1)
        yield Prefix(family, low, WIDTH[family] - free)
        low += 1 << free


def ports_of(key: Key, element: Element) -> Ranges:
    """The destination ports of an element; nothing where it has none."""
    for part, value in zip(key, element.key, strict=False):
        if isinstance(part, Payload) and part.name == "dport" and not isinstance(value, str):
            return (value,)
    return ()


def translated(statement: Translation) -> Form | None:
    """A translation of the source to whatever address the device has, or to one address; None for others."""
    match statement:
        case Translation("masquerade", family, None, ports, None, random, None):
            return ("masquerade", repr((family, ports, random)))
        case Translation("snat", 4 | 6 as family, (low, high), ports, None, random, None) if low == high:
            return ("snat", Address(family, low), repr((ports, random)))
        case _:
            return None


class Read(NamedTuple):
    """A chain: what packets may meet in it (``chains.Met``, by which it is told what is not read), and the forms of its rules."""

    met: Met
    forms: tuple[Form, ...]
    entries: tuple[NativeEntry, ...]
    aimed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Native:
    """The tables of a namespace, and what is noted of them (``Reached``)."""

    space: Namespace
    reached: Reached

    def records(self) -> Iterator[tuple[str, object, object]]:
        """What all base chains do, after the order in which tables were made; raises ``Untold`` for one that cannot be told."""
        found = tuple(bases(self.space))
        if found:
            yield "native", None, repr([(table.family, table.name) for table in self.space.nft_tables])
        for table, chain, base in found:
            yield "native", None, repr((table.family, table.name, chain.name, *base_form(base), table.dormant))
            if not table.dormant:
                yield from self.chains(table, chain.name)

    def chains(self, table: NftTableFact, name: str) -> Iterator[tuple[str, object, object]]:
        """A base chain and all that it leads to."""
        found = self.led_to(table, name)
        unread = unread_of({chain: one.met for chain, one in found.items()})
        if name in unread:
            raise Untold
        read = {chain: one for chain, one in found.items() if chain not in unread}
        entered = tuple(sorted({chain for one in read.values() for chain in one.met.jumps if chain in unread}))
        self.note(table, found, unread, entered)
        yield "native", None, repr(entered)
        for chain in sorted(read):
            yield from (("native", None, (repr(chain), form)) for form in read[chain].forms)
        entries = tuple(entry for chain in sorted(read) for entry in read[chain].entries)
        if entries:
            yield "services", None, NativeEntered(table, entries)

    def note(self, table: NftTableFact, found: Mapping[str, Read], unread: Set[str], entered: Iterable[str]) -> None:
        """Notes which chains are not read, and which of them are entered."""
        start = f"{table.family} {table.name} "
        self.reached.unread.update(start + chain for chain in unread)
        self.reached.entered.update(start + chain for chain in entered)
        for chain, one in found.items():
            if chain in unread:
                self.reached.hidden |= bool(one.entries)
            else:
                self.reached.hidden |= not one.aimed.isdisjoint(unread)
                self.reached.ports.update(ports for to, ports in one.met.ports if to in unread)

    def led_to(self, table: NftTableFact, name: str) -> dict[str, Read]:
        """A chain and all that it leads to."""
        found: dict[str, Read] = {}
        waiting = [name]
        while waiting:
            name = waiting.pop()
            if name not in found and name in table.chains:
                found[name] = self.read(table, table.chains[name])
                waiting += found[name].met.jumps
        return found

    def read(self, table: NftTableFact, chain: NftChain) -> Read:
        """One chain."""
        rules: list[Written] = []
        for rule in chain.rules:
            if (one := self.written(table, rule, (chain.name, len(rules)))) is not None:
                rules.append(one)
        jumps: dict[str, bool] = {}
        for one in rules:
            for name, some in one.jumps.items():
                jumps[name] = jumps.get(name, True) and some
        ports = tuple(pair for one in rules for pair in one.ports)
        met = Met((), all(one.told for one in rules), jumps, ports, 0)
        entries = tuple(entry for one in rules for entry in one.entries)
        return Read(met, tuple(tuple(one.parts) for one in rules), entries, frozenset().union(*(one.aimed for one in rules)))

    def written(self, table: NftTableFact, rule: NftRule, place: tuple[str, int]) -> Written | None:
        """One rule; None where no packet to the addresses gets beyond its tests, and it has done nothing before."""
        found = Written(table, self.reached, place)
        for statement in rule.statements:
            found.add(statement)
            if not found.told or found.never:
                break
        if found.never:
            found.parts.append("ends")
        idle = all(isinstance(part, tuple) and part[0] == "among" for part in found.parts[:-1])
        return None if found.never and idle else found


def bases(space: Namespace) -> Iterator[tuple[NftTableFact, NftChain, Base]]:
    """The base chains that iptables does not show, in the order of the listing. ``Untold`` for those of devices, bridges and ARP, and for tables with flow tables."""
    for table in space.nft_tables:
        for chain in table.chains.values():
            if chain.base is None or saved(space, table, chain):
                continue
            if table.family not in ("ip", "ip6", "inet") or chain.base.hook not in HOOKS or table.flowtables:
                raise Untold
            yield table, chain, chain.base


def base_form(base: Base) -> tuple[Form, ...]:
    """Where a base chain is called."""
    return base.kind, base.hook, base.priority, base.policy
