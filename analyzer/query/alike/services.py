"""What the chains of nodes do with packets to each service's address, with endpoints called by the order in which they are met.

Rules for one address (``-d ADDRESS/32``, as kube-proxy has one for each port of a service) are followed into the chains that they lead to. Where two services, on nodes
of one kind, say the same once this is done, packets from alike pods fare alike whichever they ask for: as long as each of them has endpoints that are to it what the other's
are to the other (``callers.py``). A service whose chains hold something that cannot be told, or whose address something else speaks of, is asked for by itself.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from analyzer.addresses import WIDTH, Address, Prefix
from analyzer.facts.matches import AddressMatch, InterfaceMatch, Match, Side
from analyzer.facts.netfilter import Chain, Jump, NfRule, Translate, contents_of
from analyzer.model.network import Network
from analyzer.query.alike.forms import PLAIN, Form, Untold, Writer, simple, told
from analyzer.query.alike.records import Entered
from analyzer.source import Scope

NOBODY = Scope("\0")
"""In place of a namespace whose records are written: everybody who is spoken of is somebody else."""
DEEP = 16
Chains = Mapping[str, Chain]


@dataclass(frozen=True, slots=True)
class Said:
    """What chains do with packets to an address: a number, equal where they do the same, and whom they speak of, in order."""

    form: int
    others: tuple[Scope, ...]


NOTHING = Said(0, ())


@dataclass(frozen=True, slots=True)
class Services:
    """What each node says of the services' addresses. ``tables``: a number for each node, equal where all is the same; ``held``: the networks that rules and routes
    speak of, and the IP sets, that hold an address, for each that can be told; ``chains``: those entered for packets to one address, as points of the program name them."""

    tables: Mapping[Scope, int]
    said: Mapping[tuple[int, Address], Said]
    held: Mapping[Address, tuple[Hashable, ...]]
    chains: frozenset[str]

    def at(self, table: int, address: Address) -> Said:
        """What nodes with a table say of an address."""
        return self.said.get((table, address), NOTHING)


def service_addresses(network: Network) -> frozenset[Address]:
    """The addresses of services that no interface has."""
    return frozenset(
        address
        for service in network.cluster.services.values()
        for address in (*service.cluster_addresses, *service.external_addresses, *service.load_balancer_addresses)
        if address not in network.owners
    )


Rule = tuple[Entered, int, NfRule]
"""A rule for one address, where it stands, and how many rules for others are before it."""


class Known(NamedTuple):
    """What was found before: the chains that rules lead to, with their contents, and what comes of it; None: it cannot be told."""

    names: tuple[str, ...]
    contents: tuple[str, ...]
    said: Said | None
    wide: frozenset[Prefix]
    wild: frozenset[str]


class Chained(NamedTuple):
    """The chains of a table, the parts that it is put together of, and the chains with other lines."""

    chains: Chains
    parts: Hashable
    others: frozenset[str]


class Table(NamedTuple):
    """The number of what a node says of all addresses, the chains that decide it, and the tables that these are in; ``entered``: the chains as points of the program name
    them; ``untold``: the addresses of which it cannot be told; ``wide`` and ``wild``: the networks and beginnings of names that are nobody's own."""

    number: int
    chains: frozenset[str]
    tables: tuple[Chained, ...]
    entered: frozenset[str]
    untold: frozenset[Address]
    wide: frozenset[Prefix]
    wild: frozenset[str]


def same(mine: Chained, its: Chained, names: frozenset[str]) -> bool:
    """Whether some chains are equal in two tables that are put together of the same parts."""
    own, other = contents_of(mine.chains), contents_of(its.chains)
    return all(
        (name in mine.chains) == (name in its.chains) and (name not in mine.chains or own.content(name) == other.content(name))
        for name in names & (mine.others | its.others)
    )


@dataclass(slots=True)
class Reader:
    """Reads what nodes say of addresses. ``devices``: those that lead to pods, of all nodes; ``numbers``: of forms and of tables."""

    network: Network
    writer: Writer
    devices: frozenset[str]
    memory: dict[object, list[Known]] = field(default_factory=dict)
    tables: dict[object, list[Table]] = field(default_factory=dict)
    numbers: dict[object, int] = field(default_factory=dict)
    said: dict[tuple[int, Address], Said] = field(default_factory=dict)

    def table(self, entered: Sequence[Entered]) -> Table:
        """What a node says of all addresses. Where it is put together of what another is, only what is apart from that is compared."""
        parts = {id(chains): Chained(chains, *contents_of(chains).shared()) for chains in map(chains_of, entered)}
        own = tuple(parts.values())
        key = tuple((place_of(one), id(one.entries), parts[id(chains_of(one))].parts) for one in entered)
        for known in self.tables.get(key, ()):
            if all(same(mine, its, known.chains) for mine, its in zip(own, known.tables, strict=True)):
                return known
        found = self.whole(entered, own)
        if all(one.parts is not None for one in own):
            self.tables.setdefault(key, []).append(found)
        return found

    def whole(self, entered: Sequence[Entered], tables: tuple[Chained, ...]) -> Table:
        """``table``, worked out."""
        parts: dict[Address, list[Rule]] = {}
        for one in entered:
            for before, address, rule in one.entries:
                parts.setdefault(address, []).append((one, before, rule))
        every = {address: self.remembered(address, own) for address, own in parts.items()}
        found = {address: known.said or NOTHING for address, known in every.items()}
        number = self.number(("table", tuple(sorted((address, said.form, said.others) for address, said in found.items()))))
        if (number, next(iter(found))) not in self.said:
            self.said.update({(number, address): said for address, said in found.items()})
        points = {(place, name) for address, own in parts.items() for place in places(own) for name in every[address].names}
        return Table(
            number,
            frozenset(name for known in every.values() for name in known.names),
            tables,
            frozenset(f"{family}/{backend}/{table}/{name}" for (family, backend, table), name in points),
            frozenset(address for address, known in every.items() if known.said is None),
            frozenset(prefix for known in every.values() for prefix in known.wide),
            frozenset(start for known in every.values() for start in known.wild),
        )

    def number(self, form: object) -> int:
        """The number of a form."""
        return self.numbers.setdefault(form, len(self.numbers) + 1)

    def remembered(self, address: Address, own: Sequence[Rule]) -> Known:
        """What rules say of an address, worked out where no chains with the same contents were met."""
        key = (address, tuple((place_of(one), before, rule.matches, rule.target) for one, before, rule in own))
        known = self.memory.setdefault(key, [])
        for found in known:
            if texts_of(own, found.names) == found.contents:
                return found
        names = tuple(dict.fromkeys(name for one, _, rule in own for name in led_to(chains_of(one), rule)))
        self.writer.wide, self.writer.wild = set(), set()
        said = self.written(address, own)
        wide, wild = frozenset(self.writer.wide), frozenset(self.writer.wild)
        known.append(Known(names, texts_of(own, names), said, wide, wild))
        return known[-1]

    def written(self, address: Address, own: Sequence[Rule]) -> Said | None:
        """What rules say of an address; None where that cannot be told."""
        self.writer.others = []
        try:
            form = tuple((place_of(one), before, self.rule(address, chains_of(one), rule)) for one, before, rule in own)
        except Untold:
            return None
        return Said(self.number(form), tuple(self.writer.others))

    def rule(self, address: Address, chains: Chains, rule: NfRule, deep: int = 0) -> Form:
        """The form of a rule with all that it leads to."""
        if deep > DEEP:
            raise Untold
        return (tuple(self.match(address, match) for match in rule.matches), self.target(address, chains, rule, deep))

    def match(self, address: Address, match: Match) -> Form:
        """The form of a test."""
        if not isinstance(match, PLAIN) or not told(match):
            raise Untold
        if isinstance(match, InterfaceMatch) and not match.wildcard and match.name in self.devices:
            raise Untold
        if isinstance(match, InterfaceMatch) and match.wildcard:
            self.writer.wild.add(match.name)
        if isinstance(match, AddressMatch) and (single := single_of(match)) is not None:
            return ("service", match.side, match.negated) if single == address else (match.side, match.negated, self.end(single))
        return self.writer.form(match)

    def target(self, address: Address, chains: Chains, rule: NfRule, deep: int) -> Form:
        """The form of a target."""
        match rule.target:
            case Jump(chain=name, goto=goto) if name in chains:
                return (goto, tuple(self.rule(address, chains, one, deep + 1) for one in chains[name].rules))
            case Translate(side=Side.DESTINATION, addresses=(low, high)) if low == high:
                end = self.end(Address(address.family, low))
                return ("DNAT", end, rule.target.ports, rule.target.random, rule.target.persistent)
            case Jump():
                raise Untold
            case _ if simple(rule):
                return self.writer.target(rule)
            case _:
                raise Untold

    def end(self, address: Address) -> Form:
        """The form of somebody's address; of nobody's the address itself."""
        if address not in self.writer.known.addresses and address in self.network.owners:
            raise Untold
        return self.writer.form(address)


def place_of(one: Entered) -> tuple[int, str, str, str]:
    """Where rules stand, whatever node it is."""
    return one.fact.family, one.fact.backend, one.table, one.chain


def places(own: Sequence[Rule]) -> set[tuple[int, str, str]]:
    """The tables that rules stand in."""
    return {place_of(one)[:3] for one, _, _ in own}


def chains_of(one: Entered) -> Chains:
    """The chains of the table that rules stand in."""
    return one.fact.tables[one.table]


def texts_of(own: Sequence[Rule], names: Iterable[str]) -> tuple[str, ...]:
    """The contents of chains, in each table that rules stand in."""
    tables = {id(chains): chains for chains in (chains_of(one) for one, _, _ in own)}
    return tuple(
        content(name) if name in chains else ""
        for chains in tables.values()
        for content in (contents_of(chains).content,)
        for name in names
    )


def led_to(chains: Chains, rule: NfRule) -> Iterator[str]:
    """The chains that a rule leads to, each once."""
    waiting, seen = [rule], set[str]()
    while waiting:
        target = waiting.pop().target
        if isinstance(target, Jump) and target.chain not in seen:
            seen.add(target.chain)
            yield target.chain
            waiting += list(chains[target.chain].rules) if target.chain in chains else []


def single_of(match: AddressMatch) -> Address | None:
    """The one address that a test is about."""
    every = (1 << WIDTH[match.family]) - 1
    return Address(match.family, match.value) if match.mask & every == every else None
