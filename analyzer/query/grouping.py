"""Who sends from what to where: groups of flows that are decided together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from analyzer.addresses import Address
from analyzer.model.network import Namespace, Network
from analyzer.query.alike.sources import node_sendings
from analyzer.query.choosing import Sending, groupable, sendings, unfamiliar
from analyzer.query.flows import Aim, Sender
from analyzer.query.parties import Party
from analyzer.query.sending import free_ports
from analyzer.ranges import Ranges, contains, normalised, single, size
from analyzer.solve.packet import UDP
from analyzer.source import Scope

NO_PARTIES: Mapping[int, tuple[Party, ...]] = {}


@dataclass(frozen=True, slots=True)
class Group:
    """Senders, receivers and packets that are decided together. ``sources`` names the parties by source address, ``targets`` by destination;
    ``unfamiliar`` are those who send from an address that is not known to be theirs. ``unbound``: who sends has bound no address, and its packets
    keep the route by which their source was chosen; the pairs are those of the other group then. ``homes`` keeps the addresses by node.
    ``excuse``: why it may be wanted that flows fail, where that is not known."""

    aims: tuple[Aim, ...]
    senders: tuple[Sender, ...]
    sources: Mapping[int, tuple[Party, ...]]
    targets: Mapping[int, tuple[str, ...]]
    pods: Mapping[int, tuple[Party, ...]] = field(default_factory=dict)
    unfamiliar: tuple[Sending, ...] = ()
    unbound: bool = False
    homes: dict[str, dict[str, Ranges]] = field(default_factory=dict, compare=False, repr=False)
    excuse: str = ""


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
        group = group_of(network, some, aims, targets, pods, ports)
        yield group
        family = aims[0].family
        late = tuple(one for one in some if by_source(network.namespaces[one.party.scope], family))
        if late and (free := tuple(routed_once(aims))):
            yield replace(group_of(network, late, free, targets, pods, ports), unbound=True)


def group_of(
    network: Network,
    some: tuple[Sending, ...],
    aims: tuple[Aim, ...],
    targets: Mapping[int, tuple[str, ...]],
    pods: Mapping[int, tuple[Party, ...]],
    ports: Ranges | None,
) -> Group:
    """The group of some sendings."""
    senders = []
    for one in some:
        own = free_ports(network, one.party.scope, one.source) if ports is None else ports
        senders.append(Sender(one.party.scope, single(one.source), one.destinations, own))
    sources = {one.source: (one.party,) for one in some}
    return Group(aims, tuple(senders), sources, targets, pods, tuple(one for one in some if unfamiliar(one)))


def by_source(space: Namespace, family: int) -> bool:
    """Whether the routing of a namespace looks at the source: a packet that has none yet may then be routed otherwise than one that has."""
    rules = any(rule.source is not None and rule.source.length for rule in space.rules.get(family, ()))
    routes = (route for table in space.routes.get(family, {}).values() for route in table)
    return rules or any(route.source_prefix is not None and route.source_prefix.length for route in routes)


def routed_once(aims: Iterable[Aim]) -> Iterator[Aim]:
    """The packets that keep the route by which their source was chosen: all of IPv6 (``ip6_dst_lookup_tail``); of IPv4 UDP and pings without a
    connection (``udp_sendmsg``), since all else is routed again with the source (``ip_route_connect``)."""
    for aim in aims:
        if aim.family == 6 or aim.ping:
            yield aim
        elif aim.translated is None:
            yield replace(aim, protocols=single(UDP))
        elif asked := {key: ends for key, ends in aim.translated.items() if key[0] == UDP}:
            yield replace(aim, protocols=single(UDP), translated=asked)


def node_groups(
    network: Network,
    parties: Iterable[Party],
    targets: Mapping[int, tuple[Party, ...]],
    made: Callable[[Mapping[int, frozenset[Scope]]], tuple[Aim, ...]],
) -> Iterator[Group]:
    """The nodes with each of the sources that their routes choose, to the targets."""
    holders = {value: frozenset(party.scope for party in found) for value, found in targets.items()}
    names = {value: tuple(party.name for party in found) for value, found in targets.items()}
    senders = tuple(parties)
    found = node_sendings(network, senders, targets)
    return grouped(
        network,
        map(of_node, each_by_itself(network, senders, targets) if found is None else found),
        made(holders),
        names,
        targets,
    )


def each_by_itself(network: Network, parties: Iterable[Party], targets: Mapping[int, tuple[Party, ...]]) -> list[Sending]:
    """What each node sends from to others."""
    found: list[Sending] = []
    for party in parties:
        others = [value for value, held in targets.items() if all(one.scope != party.scope for one in held)]
        found += (one for one in sendings(network, (party,), addresses_of(others), others) if one.destinations)
    return found


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
