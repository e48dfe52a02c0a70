"""What the chains of nodes do with packets to each service's address, with endpoints called by the order in which they are met.

Rules for one address (``-d ADDRESS/32``, as kube-proxy has one for each port of a service) are followed into the chains that they lead to. Where two services, on nodes
of one kind, say the same once this is done, packets from alike pods fare alike whichever they ask for: as long as each of them has endpoints that are to it what the other's
are to the other (``callers.py``). A service whose chains hold something that cannot be told, or whose address something else speaks of, is asked for by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from analyzer.addresses import WIDTH, Address, Prefix
from analyzer.facts.matches import AddressMatch, InterfaceMatch, Match, Side
from analyzer.facts.netfilter import Chain, Jump, NfRule, Translate, content_of
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
    speak of and that hold an address, for each that can be told; ``chains``: those entered for packets to one address, as points of the program name them."""

    tables: Mapping[Scope, int]
    said: Mapping[tuple[int, Address], Said]
    held: Mapping[Address, tuple[Prefix, ...]]
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


class Memory(dict[object, "list[tuple[tuple[str, ...], tuple[str, ...], Said | None]]"]):
    """What was found before, by what rules say: the chains that these lead to, with their contents, and what comes of it; None: it cannot be told."""


@dataclass(slots=True)
class Reader:
    """Reads what nodes say of addresses. ``devices``: those that lead to pods, of all nodes; ``numbers``: of forms and of tables."""

    network: Network
    writer: Writer
    devices: frozenset[str]
    untold: set[Address] = field(default_factory=set)
    chains: set[str] = field(default_factory=set)
    memory: Memory = field(default_factory=Memory)
    numbers: dict[object, int] = field(default_factory=dict)
    said: dict[tuple[int, Address], Said] = field(default_factory=dict)

    def table(self, entered: Sequence[Entered]) -> int:
        """The number of what a node says of all addresses."""
        parts: dict[Address, list[tuple[Entered, int, NfRule]]] = {}
        for one in entered:
            for before, address, rule in one.entries:
                parts.setdefault(address, []).append((one, before, rule))
        found = {address: self.remembered(address, own) for address, own in parts.items()}
        number = self.number(("table", tuple(sorted((address, said.form, said.others) for address, said in found.items()))))
        if (number, next(iter(found))) not in self.said:
            self.said.update({(number, address): said for address, said in found.items()})
        return number

    def number(self, form: object) -> int:
        """The number of a form."""
        return self.numbers.setdefault(form, len(self.numbers) + 1)

    def remembered(self, address: Address, own: Sequence[tuple[Entered, int, NfRule]]) -> Said:
        """What rules say of an address, worked out where no chains with the same contents were met."""
        key = (address, tuple((place_of(one), before, rule.matches, rule.target) for one, before, rule in own))
        known = self.memory.setdefault(key, [])
        for names, contents, said in known:
            if contents_of(own, names) == contents:
                return said or NOTHING
        names = tuple(dict.fromkeys(name for one, _, rule in own for name in led_to(chains_of(one), rule)))
        said = self.written(address, own)
        known.append((names, contents_of(own, names), said))
        if said is None:
            self.untold.add(address)
        self.chains.update(f"{one.fact.family}/{one.fact.backend}/{one.table}/{name}" for one, _, _ in own for name in names)
        return said or NOTHING

    def written(self, address: Address, own: Sequence[tuple[Entered, int, NfRule]]) -> Said | None:
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


def chains_of(one: Entered) -> Chains:
    """The chains of the table that rules stand in."""
    return one.fact.tables[one.table]


def contents_of(own: Sequence[tuple[Entered, int, NfRule]], names: Iterable[str]) -> tuple[str, ...]:
    """The contents of chains, in each table that rules stand in."""
    tables = {id(chains): chains for chains in (chains_of(one) for one, _, _ in own)}
    return tuple(content_of(chains, name) if name in chains else "" for chains in tables.values() for name in names)


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
