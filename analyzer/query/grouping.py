"""Who sends from what to where: groups of flows that are decided together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from analyzer.addresses import Address
from analyzer.model.network import Network
from analyzer.query.choosing import Sending, groupable, sendings, unfamiliar
from analyzer.query.flows import Aim, Sender
from analyzer.query.parties import Party
from analyzer.query.sending import free_ports
from analyzer.ranges import Ranges, contains, normalised, single, size
from analyzer.source import Scope

NO_PARTIES: Mapping[int, tuple[Party, ...]] = {}


@dataclass(frozen=True, slots=True)
class Group:
    """Senders, receivers and packets that are decided together. ``sources`` names the parties by source address, ``targets`` by destination;
    ``unfamiliar`` are those who send from an address that is not known to be theirs."""

    aims: tuple[Aim, ...]
    senders: tuple[Sender, ...]
    sources: Mapping[int, tuple[Party, ...]]
    targets: Mapping[int, tuple[str, ...]]
    pods: Mapping[int, tuple[Party, ...]] = field(default_factory=dict)
    unfamiliar: tuple[Sending, ...] = ()


def grouped(
    network: Network,
    found: Iterable[Sending],
    aims: tuple[Aim, ...],
    targets: Mapping[int, tuple[str, ...]],
    pods: Mapping[int, tuple[Party, ...]] = NO_PARTIES,
    ports: Ranges | None = None,
) -> Iterator[Group]:
    """Who sends from what to where, together where no two send from one address; from ``ports``, by default those that nothing else holds."""
    for some in groupable(found):
        senders = []
        for one in some:
            own = free_ports(network, one.party.scope, one.source) if ports is None else ports
            senders.append(Sender(one.party.scope, single(one.source), one.destinations, own))
        sources = {one.source: (one.party,) for one in some}
        yield Group(aims, tuple(senders), sources, targets, pods, tuple(one for one in some if unfamiliar(one)))


def node_groups(
    network: Network,
    parties: Iterable[Party],
    targets: Mapping[int, tuple[Party, ...]],
    made: Callable[[Mapping[int, frozenset[Scope]]], tuple[Aim, ...]],
) -> Iterator[Group]:
    """The nodes with each of the sources that their routes choose, to the targets."""
    holders = {value: frozenset(party.scope for party in found) for value, found in targets.items()}
    names = {value: tuple(party.name for party in found) for value, found in targets.items()}
    found: list[Sending] = []
    for party in parties:
        others = [value for value, held in targets.items() if all(one.scope != party.scope for one in held)]
        found += (of_node(one) for one in sendings(network, (party,), addresses_of(others), others) if one.destinations)
    return grouped(network, found, made(holders), names, targets)


def of_node(one: Sending) -> Sending:
    """What a node sends, under the address that it sends from: it is known by all of its own."""
    return one._replace(party=replace(one.party, address=Address(one.party.address.family, one.source)))


def addresses_of(values: Iterable[int]) -> Ranges:
    """The addresses as ranges."""
    return normalised((value, value) for value in values)


def pairs_asked(group: Group) -> int:
    """How many pairs a group is about: of each sender with each address, or port of a service, that it sends to."""
    asked: dict[Scope, list[Ranges]] = {}
    for sender in group.senders:
        asked.setdefault(sender.scope, []).append(sender.destinations)
    known: dict[Ranges, int] = {}
    found = 0
    for parts in asked.values():
        whole = parts[0] if len(parts) == 1 else normalised(pair for part in parts for pair in part)
        if whole not in known:
            known[whole] = asked_for(group.aims[0], whole)
        found += known[whole]
    return found


def asked_for(aim: Aim, destinations: Ranges) -> int:
    """How many there are to ask for: addresses, or ports of services."""
    if aim.translated is None:
        return size(destinations)
    return sum(contains(destinations, address) for _, address, _ in aim.translated)
