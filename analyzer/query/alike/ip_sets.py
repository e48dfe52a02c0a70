"""IP sets of addresses and networks (ip_set(8)): whom they hold, beside what they say in general.

A set that holds a node's own addresses and nobody else's says the same of another node as one that holds that node's. Any other is told by its members, and who is in it is
unlike who is not.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import lru_cache

from analyzer.addresses import WIDTH, Address
from analyzer.facts.netfilter import IpsetFact
from analyzer.model.attachments import of_one_host
from analyzer.model.network import Namespace, Network
from analyzer.query.alike.identities import Identities
from analyzer.solve.walk.netfilter.sets import LookUp, holds, look_up_of
from analyzer.source import Scope, Span

PARTS = (("ip",), ("net",))
NOWHERE = Span("", 1)
Held = Mapping[Address, tuple[int, ...]]
"""The numbers of the sets that hold an address."""


@lru_cache(maxsize=4096)
def table_of(kind: str, family: int, options: tuple[str, ...], members: tuple[str, ...]) -> LookUp:
    """The look-up table of a set, read once for all nodes that have it."""
    fact = IpsetFact(at=NOWHERE, scope=Scope(""), name="", type=kind, family=family, members=members, options=options)
    return look_up_of(fact)


def table(fact: IpsetFact) -> LookUp:
    """The look-up table of a set."""
    return table_of(fact.type, fact.family, fact.options, fact.members)


def tellable(network: Network) -> frozenset[str]:
    """The names of sets that hold addresses and networks alone, wherever they are, and are understood."""
    every = [fact for space in network.namespaces.values() for fact in space.sets.values()]
    strange = {fact.name for fact in every if (found := table(fact)).parts not in PARTS or found.unread or found.names}
    return frozenset(fact.name for fact in every) - strange


def forms(
    space: Namespace, known: Identities, names: frozenset[str], numbers: dict[object, int], tables: dict[int, LookUp]
) -> Mapping[str, Hashable]:
    """The form of each set of a namespace that is ``tellable``; those that are told by their members are put into ``tables`` by the number that is their form."""
    found: dict[str, Hashable] = {}
    for name in sorted(names & space.sets.keys()):
        fact = space.sets[name]
        content = table(fact)
        own = of_own(content, known, space.scope)
        if own is None:
            number = numbers.setdefault((content.family, contents(content)), len(numbers) + 1)
            tables[number] = content
        found[name] = number if own is None else own
    return found


def contents(content: LookUp) -> Hashable:
    """All that a look-up rests on."""
    return tuple((lengths, frozenset(members.items())) for lengths, members in content.by_lengths)


def of_own(content: LookUp, known: Identities, scope: Scope) -> Hashable | None:
    """A set by the roles of its members; None where it holds anything but single addresses of one namespace, and those that each host has for itself."""
    found: list[object] = []
    for lengths, members in content.by_lengths:
        if lengths != (WIDTH[content.family],):
            return None
        for (value,), matches in members.items():
            address = Address(content.family, int(value))
            owned = known.addresses.get(address)
            if not of_one_host(address) if owned is None else owned[0] != scope:
                return None
            found.append((value if owned is None else owned[1], matches))
    return ("own", frozenset(found))


def held_by(tables: Mapping[int, LookUp], addresses: Iterable[Address]) -> Held:
    """Which sets hold each of some addresses, as far as any does."""
    every = sorted(addresses)
    found: dict[Address, list[int]] = {}
    for number, content in sorted(tables.items()):
        for address in among(content, every):
            found.setdefault(address, []).append(number)
    return {address: tuple(numbers) for address, numbers in found.items()}


def among(content: LookUp, every: list[Address]) -> Iterator[Address]:
    """Those of some sorted addresses that a set holds; asked are those that some member covers."""
    asked: set[Address] = set()
    for (length,), members in content.by_lengths:
        free = (1 << (WIDTH[content.family] - length)) - 1
        for (value,) in members:
            first, last = Address(content.family, int(value)), Address(content.family, int(value) | free)
            asked.update(every[bisect_left(every, first) : bisect_right(every, last)])
    return (address for address in sorted(asked) if holds(content, (address.value,)))
