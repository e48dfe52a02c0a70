"""The addresses that pods and nodes send from: for each destination those that their own routes may choose (analyzer/solve/walk/sources.py).

A program that binds to no address sends from the one that the look-up of its route gives (``ip_route_connect`` in include/net/route.h,
``ip6_dst_lookup_tail`` in net/ipv6/ip6_output.c). Where routes may choose among several, each of them is a source.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from analyzer.addresses import Address
from analyzer.model.attachments import of_one_host
from analyzer.model.network import Namespace, Network
from analyzer.query.parties import Party
from analyzer.ranges import Ranges, normalised
from analyzer.solve.packet import SYN, TCP, Packet
from analyzer.solve.walk import internet
from analyzer.solve.walk.index import WalkIndex, index_of
from analyzer.solve.walk.oracle import Oracle, runs
from analyzer.solve.walk.state import Walk
from analyzer.source import Scope, Span

WAYS = 64


class Sending(NamedTuple):
    """A party, an address that it sends from, and the destinations to which it does."""

    party: Party
    source: int
    destinations: Ranges


def sendings(network: Network, parties: Iterable[Party], every: Ranges, targets: Sequence[int]) -> Iterator[Sending]:
    """What each party sends from to the destinations ``targets``, which are the ranges ``every``."""
    index = index_of(network)
    for party in parties:
        if settled(network.namespaces[party.scope], party.address):
            yield Sending(party, party.address.value, every)
        else:
            yield from apart_by_source(index, party, targets)


def apart_by_source(index: WalkIndex, party: Party, targets: Iterable[int]) -> Iterator[Sending]:
    """A party with each address that it may send from, and the destinations to which it may."""
    found: dict[int, list[int]] = {}
    for target in targets:
        for source in sources_to(index, party, target):
            found.setdefault(source, []).append(target)
    for source, values in sorted(found.items()):
        yield Sending(party, source, normalised((value, value) for value in values))


def sources_to(index: WalkIndex, party: Party, target: int) -> tuple[int, ...]:
    """The addresses that the party's routes may choose to send from to an address; where they choose none, the one that it is known by."""
    packet = Packet(party.address.family, 0, target, TCP, 40000, 80, tcp_flags=SYN)

    def chosen(oracle: Oracle) -> int:
        walk = Walk(index, oracle)
        ready = internet.prepared(walk, walk.space(party.scope), packet)
        return ready.source if isinstance(ready, Packet) else 0

    found = dict.fromkeys(source for _, source in runs(chosen, WAYS) if source)
    return tuple(found) or (party.address.value,)


def settled(space: Namespace, own: Address) -> bool:
    """Whether a namespace can send from one address of the family only; also where it does not have the one that it is known by."""
    held = {fact.address for fact in space.addresses if fact.address.family == own.family and not of_one_host(fact.address)}
    return own not in held or held | named(space, own.family) == {own}


def named(space: Namespace, family: int) -> set[Address]:
    """The addresses that routes say to send from (``src``)."""
    routes = (route for table in space.routes.get(family, {}).values() for route in table)
    return {route.source for route in routes if route.source is not None and not of_one_host(route.source)}


def groupable(found: Iterable[Sending]) -> Iterator[tuple[Sending, ...]]:
    """The sendings in as few parts as it takes for no two parties of a part to send from one address: by its source a packet then tells who sent it."""
    holders: dict[int, dict[tuple[str, Scope], list[Sending]]] = {}
    for one in found:
        holders.setdefault(one.source, {}).setdefault((one.party.name, one.party.scope), []).append(one)
    for turn in range(max(map(len, holders.values()), default=0)):
        yield tuple(one for held in holders.values() if turn < len(held) for one in list(held.values())[turn])


def unfamiliar(one: Sending) -> bool:
    """Whether a pod sends from an address that its object does not state."""
    pod = one.party.pod
    return pod is not None and Address(one.party.address.family, one.source) not in (*pod.addresses, one.party.address)


def place(network: Network, one: Sending) -> Span | None:
    """Where it is said that a party sends from an address: the route that says so, else the address."""
    space, source = network.namespaces[one.party.scope], Address(one.party.address.family, one.source)
    routes = (route for table in space.routes.get(source.family, {}).values() for route in table if route.kind == "unicast")
    said = [route.at for route in routes if route.source == source]
    return next(iter((*said, *(fact.at for fact in space.addresses if fact.address == source))), None)
