"""What belongs to one pod or node alone: its addresses, networks, MACs, and the host's ends of a pod's links, each with what it is to its owner.

Records of two nodes or pods that are equal once these are called by their roles say the same of their owners.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from analyzer.addresses import WIDTH, Address, Prefix, prefix_of
from analyzer.model.attachments import of_one_host
from analyzer.model.hardware import GROUP
from analyzer.model.network import Interface, Network
from analyzer.source import Scope

Role = tuple[object, ...]
Owned = tuple[Scope, Role]
"""Whose something is, and as what."""


@dataclass(frozen=True, slots=True)
class Identities:
    """What belongs to whom. ``devices``: the devices of a node that lead to a pod."""

    addresses: Mapping[Address, Owned]
    prefixes: Mapping[Prefix, Owned]
    macs: Mapping[int, Owned]
    devices: Mapping[Scope, Mapping[str, Owned]]

    def network_of(self, prefix: Prefix) -> Owned | None:
        """Whose a network is, or the one address of it."""
        if prefix.length == WIDTH[prefix.family]:
            return self.addresses.get(Address(prefix.family, prefix.value))
        return self.prefixes.get(prefix)


def identities(network: Network) -> Identities:
    """What belongs to one owner alone."""
    devices = dict(ends(network))
    addresses = owned_addresses(network)
    macs = Counter(link.mac for space in network.namespaces.values() for link in space.links.values() if link.mac)
    single = {
        link.mac: owner_of(devices, scope, link.name, "mac")
        for scope, space in network.namespaces.items()
        for link in space.links.values()
        if link.mac and macs[link.mac] == 1 and not link.mac & GROUP
    }
    prefixes = owned_prefixes(network, addresses)
    addresses |= {at: own for at, own in edges(prefixes) if at not in network.owners}
    return Identities(addresses, prefixes, single, devices)


def ends(network: Network) -> Iterator[tuple[Scope, Mapping[str, Owned]]]:
    """The devices of each node whose other end is a pod's of the same node."""
    found: dict[Scope, dict[str, Owned]] = {}
    for at, peer in network.peers.items():
        if not at.scope.namespace and peer.scope.namespace and peer.scope.node == at.scope.node:
            found.setdefault(at.scope, {})[at.device] = (peer.scope, ("end", peer.device))
    return iter(found.items())


def owner_of(devices: Mapping[Scope, Mapping[str, Owned]], scope: Scope, device: str, what: str) -> Owned:
    """Whose something of a device is: the pod's, where the device leads to one."""
    owned = devices.get(scope, {}).get(device)
    return (owned[0], (what, *owned[1])) if owned is not None else (scope, (what, device))


def owned_addresses(network: Network) -> dict[Address, Owned]:
    """The addresses that one interface holds, each with its place among those of the interface."""
    places: Counter[tuple[Interface, int]] = Counter()
    found: dict[Address, Owned] = {}
    for scope, space in network.namespaces.items():
        for fact in space.addresses:
            at = Interface(scope, fact.device)
            place = places[at, fact.address.family]
            places[at, fact.address.family] += 1
            if len(network.owners.get(fact.address, ())) == 1 and not of_one_host(fact.address):
                found[fact.address] = (scope, ("address", fact.device, fact.address.family, place))
    return found


def owned_prefixes(network: Network, addresses: Mapping[Address, Owned]) -> dict[Prefix, Owned]:
    """The networks of routes and interfaces that hold addresses of one node and its pods only."""
    values = {
        family: sorted((at.value, scope.node) for at, (scope, _) in addresses.items() if at.family == family) for family in (4, 6)
    }
    numbers = {family: [value for value, _ in held] for family, held in values.items()}
    found: dict[str, list[Prefix]] = {}
    for prefix in sorted(stated(network)):
        held, order = values[prefix.family], numbers[prefix.family]
        inside = held[bisect_left(order, prefix.value) : bisect_right(order, prefix.last)]
        if inside and inside[0][1] == inside[-1][1] and len({node for _, node in inside}) == 1:
            found.setdefault(inside[0][1], []).append(prefix)
    return {
        prefix: (Scope(node), ("network", prefix.family, prefix.length, place))
        for node, prefixes in found.items()
        for place, prefix in enumerate(prefixes)
    }


def stated(network: Network) -> set[Prefix]:
    """The networks that nodes' routes and interfaces speak of."""
    found = set()
    for scope, space in network.namespaces.items():
        if scope.namespace:
            continue
        found |= {route.destination for tables in space.routes.values() for table in tables.values() for route in table}
        found |= {prefix_of(fact.address, fact.length) for fact in space.addresses}
    return {prefix for prefix in found if 0 < prefix.length < WIDTH[prefix.family]}


def edges(prefixes: Mapping[Prefix, Owned]) -> Iterator[tuple[Address, Owned]]:
    """The first and the last address of each network."""
    for prefix, (scope, role) in prefixes.items():
        yield Address(prefix.family, prefix.value), (scope, ("first", *role))
        yield Address(prefix.family, prefix.last), (scope, ("last", *role))
