"""The chains of iptables that packets to the addresses of a capture may meet, and those that are not read.

A chain is not read where its rules may speak of somebody in a way that cannot be told (a service's translate to its endpoints), or where who enters it goes on to such a
one whatever packet it is. Pods and nodes are then alike as if packets ended there: what a few of them send holds for all where none of it gets to such a chain
(``exploring.py`` looks), since then none of the others' does. Whoever meets one is asked by itself.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from analyzer.addresses import WIDTH, Address
from analyzer.facts.matches import AddressMatch, AddressTypeMatch, InterfaceMatch, PortMatch, ProtocolMatch, SetMatch, Side
from analyzer.facts.netfilter import Chain, Jump, NfRule, RulesetFact, Translate
from analyzer.query.alike.forms import Untold, readable
from analyzer.ranges import Ranges, intersection


class Entry(NamedTuple):
    """A rule for packets to one service's address: how many rules for other packets are before it, the address, and the rule."""

    before: int
    address: Address
    rule: NfRule


class Met(NamedTuple):
    """The rules of a chain that packets may meet, apart from those for one service's address (``entries``). ``jumps``: the chains that these lead to, and whether only some packets go there; ``ports``:
    the destination ports of those that do; ``common``: a number
    of what they say, the same for all chains that say it; 0 where that may depend on the namespace."""

    rules: tuple[NfRule, ...]
    readable: bool
    jumps: Mapping[str, bool]
    ports: tuple[tuple[str, Ranges], ...]
    common: int
    entries: tuple[Entry, ...] = ()


class Led(NamedTuple):
    """The chains that are read, and a number of which chains these lead to that are not."""

    read: Mapping[str, Met]
    unread: int


@dataclass(slots=True)
class Reached:
    """The rules that packets to the addresses of the capture and its services may meet, by the text of the chain; ``unread``: the chains that are not read, as
    points of the program name them, ``sets`` the IP sets of which it can be told whom they hold, ``entered`` those of them that a rule of a read chain leads to; ``ports``: those of packets that rules send there.
    ``hidden``: a chain that is not read has rules for single services' addresses, or one that is read leads by a single address to one that is not.
    ``apart``: the chains of single pods (``dispatch.py``)."""

    destinations: Mapping[int, Ranges]
    services: frozenset[Address] = frozenset()
    sets: frozenset[str] = frozenset()
    unread: set[str] = field(default_factory=set)
    entered: set[str] = field(default_factory=set)
    hidden: bool = False
    ports: set[Ranges] = field(default_factory=set)
    apart: set[str] = field(default_factory=set)
    met: dict[tuple[int, str], Met] = field(default_factory=dict)
    numbers: dict[object, int] = field(default_factory=dict)

    def chains(self, fact: RulesetFact, table: str, name: str) -> Led:
        """A base chain and all chains that it leads to."""
        found = self.led_to(fact.family, fact.tables[table], name)
        unread = unread_of(found)
        if name in unread:
            raise Untold
        read = {chain: met for chain, met in found.items() if chain not in unread}
        entered = tuple(sorted({chain for met in read.values() for chain in met.jumps if chain in unread}))
        if unread:
            self.hidden |= any(found[chain].entries for chain in unread)
            self.hidden |= any(aimed(rule, unread) for met in read.values() for rule in met.rules)
            self.unread.update(f"{fact.family}/{fact.backend}/{table}/{chain}" for chain in unread)
            self.entered.update(f"{fact.family}/{fact.backend}/{table}/{chain}" for chain in entered)
            self.ports.update(ports for met in read.values() for chain, ports in met.ports if chain in unread)
        return Led(read, self.number(entered))

    def number(self, said: object) -> int:
        """The number of something that is said."""
        return self.numbers.setdefault(said, len(self.numbers) + 1)

    def led_to(self, family: int, chains: Mapping[str, Chain], name: str) -> dict[str, Met]:
        """A chain and all that it leads to."""
        found: dict[str, Met] = {}
        waiting = [name]
        while waiting:
            name = waiting.pop()
            chain = chains.get(name)
            if name not in found and chain is not None:
                found[name] = self.of(family, chain)
                waiting += found[name].jumps
        return found

    def of(self, family: int, chain: Chain) -> Met:
        """What may be met in a chain."""
        key = (family, chain.content)
        found = self.met.get(key)
        if found is None:
            indexes: Sequence[int] = chain.rules.candidates(family, self.destinations[family])
            rules = [rule for index in indexes if self.possible(family, rule := chain.rules[index])]
            found = self.met[key] = self.parted(rules)
        return found

    def parted(self, rules: Iterable[NfRule]) -> Met:
        """The same, of its rules."""
        common: list[NfRule] = []
        entries: list[Entry] = []
        for rule in rules:
            address = single_destination(rule)
            if address is not None and address in self.services:
                entries.append(Entry(len(common), address, rule))
            else:
                common.append(rule)
        return self.made(tuple(common), tuple(entries))

    def made(self, rules: tuple[NfRule, ...], entries: tuple[Entry, ...]) -> Met:
        """The same, of the rules for all and for single services."""
        jumps: dict[str, bool] = {}
        for rule in rules:
            if isinstance(rule.target, Jump):
                jumps[rule.target.chain] = jumps.get(rule.target.chain, True) and chosen(rule)
        said = tuple((rule.matches, rule.target) for rule in rules)
        number = self.number(said) if rules and all(map(everywhere, rules)) else 0
        ports = tuple(port for rule in rules for port in ports_of(rule))
        return Met(rules, all(readable(rule, self.sets) for rule in rules), jumps, ports, number, entries)

    def possible(self, family: int, rule: NfRule) -> bool:
        """Whether a packet to one of the addresses may match."""
        for match in rule.matches:
            if isinstance(match, AddressMatch) and match.side is Side.DESTINATION and not match.negated:
                last = match.value | (~match.mask & ((1 << WIDTH[family]) - 1))
                if not intersection(((match.value, last),), self.destinations[family]):
                    return False
        return True


def single_destination(rule: NfRule) -> Address | None:
    """The one address that packets are for which a rule is about."""
    for match in rule.matches:
        whole = isinstance(match, AddressMatch) and match.mask == (1 << WIDTH[match.family]) - 1
        if isinstance(match, AddressMatch) and whole and match.side is Side.DESTINATION and not match.negated:
            return Address(match.family, match.value)
    return None


def aimed(rule: NfRule, chains: Container[str]) -> bool:
    """Whether a rule leads packets to one address to one of the chains."""
    return isinstance(rule.target, Jump) and rule.target.chain in chains and single_destination(rule) is not None


def chosen(rule: NfRule) -> bool:
    """Whether a rule looks at what a packet asks for."""
    return any(
        isinstance(match, PortMatch | ProtocolMatch)
        or (isinstance(match, AddressMatch | AddressTypeMatch) and match.side is Side.DESTINATION)
        for match in rule.matches
    )


def ports_of(rule: NfRule) -> Iterator[tuple[str, Ranges]]:
    """The chain that a rule jumps to, with the destination ports that it asks for."""
    if isinstance(rule.target, Jump):
        for match in rule.matches:
            if isinstance(match, PortMatch) and match.side is Side.DESTINATION and not match.negated:
                yield rule.target.chain, match.ports


def everywhere(rule: NfRule) -> bool:
    """Whether a rule speaks of nobody: it then has the same form in all namespaces."""
    return not isinstance(rule.target, Translate) and not any(
        isinstance(one, AddressMatch | InterfaceMatch | SetMatch) for one in rule.matches
    )


def unread_of(found: Mapping[str, Met]) -> set[str]:
    """The chains that are not read."""
    unread = {name for name, met in found.items() if not met.readable}
    before: dict[str, list[str]] = {}
    for name, met in found.items():
        for chain, some in met.jumps.items():
            if not some:
                before.setdefault(chain, []).append(name)
    waiting = list(unread)
    while waiting:
        for name in before.get(waiting.pop(), ()):
            if name not in unread:
                unread.add(name)
                waiting.append(name)
    return unread
