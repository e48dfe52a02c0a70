"""MetalLB's objects: pools, advertisements, peers, and the services that ask for their addresses.

Follows metallb/metallb internal/config/config.go (``poolsFor``, ``addressPoolFromCR``, ``peerFromCR``, ``setL2AdvertisementsToPools``: an object that is refused keeps all that is new from
having an effect), internal/k8s/controllers and controller/service.go (which addresses a service may ask for).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from analyzer.addresses import Address, Prefix
from analyzer.facts.kubernetes import ObjectFact, ServiceFact
from analyzer.model.network import Network
from analyzer.model.systems.metallb import cut
from analyzer.query.connectivity.gateways import selects
from analyzer.query.refusals import Refusal, address_in, objects, spec_of
from analyzer.query.state import node_addresses
from analyzer.source import Span

GROUP = "metallb.io"
ADVERTISEMENTS = ("L2Advertisement", "BGPAdvertisement")
POOL = ("metallb.io/address-pool", "metallb.universe.tf/address-pool")
ADDRESSES = ("metallb.io/loadBalancerIPs", "metallb.universe.tf/loadBalancerIPs")
SHARED = ("metallb.io/allow-shared-ip", "metallb.universe.tf/allow-shared-ip")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a pool's addresses, as networks."""

    pool: ObjectFact
    text: str
    networks: tuple[Prefix, ...]
    at: Span


def entries(network: Network) -> list[Entry]:
    """The addresses of all pools."""
    return [
        Entry(fact, str(text), tuple(cut(str(text))), fact.place("spec", "addresses", index))
        for fact in objects(network, "IPAddressPool", GROUP)
        for index, text in enumerate(listed(spec_of(fact).get("addresses")))
    ]


def listed(value: object) -> list[Any]:
    """A list, or an empty one."""
    return value if isinstance(value, list) else []


def refusals(network: Network) -> Iterator[Refusal]:
    """What is refused, and what is taken without an effect."""
    yield from pools(network)
    yield from advertisements(network)
    profiles = {fact.name for fact in objects(network, "BFDProfile", GROUP)}
    for fact in objects(network, "BGPPeer", GROUP):
        yield from peer(fact, profiles)
    yield from services(network)


def pools(network: Network) -> Iterator[Refusal]:
    """``addressPoolFromCR``, ``poolsFor``: addresses that can be read, and that no other pool has; and no node."""
    for fact in objects(network, "IPAddressPool", GROUP):
        if not listed(spec_of(fact).get("addresses")):
            yield Refusal(fact.place("spec"), f"IPAddressPool {fact.name} has no addresses")
    seen: list[Entry] = []
    nodes = node_addresses(network)
    for entry in entries(network):
        if not entry.networks:
            yield Refusal(
                entry.at, f"{entry.text!r} of IPAddressPool {entry.pool.name} is neither a network nor a range of addresses"
            )
        other = next((one for one in seen if overlap(one, entry)), None)
        if other is not None:
            yield Refusal(
                entry.at,
                f"{entry.text} of IPAddressPool {entry.pool.name} overlaps {other.text} of IPAddressPool {other.pool.name}",
            )
        held = next(((item, name) for item, name in sorted(nodes.items()) if covers(entry, item)), None)
        if held is not None:
            yield Refusal(
                entry.at, f"{entry.text} of IPAddressPool {entry.pool.name} has {held[0]}, the address of node {held[1]}"
            )
        seen.append(entry)


def overlap(one: Entry, two: Entry) -> bool:
    """Whether two entries share addresses."""
    return any(first.overlaps(second) for first in one.networks for second in two.networks)


def covers(entry: Entry, item: Address) -> bool:
    """Whether an entry has an address."""
    return any(prefix.covers(item) for prefix in entry.networks)


def advertisements(network: Network) -> Iterator[Refusal]:
    """What advertisements name and is not there, and what no node can announce."""
    known = {fact.name for fact in objects(network, "IPAddressPool", GROUP)}
    peers = {fact.name for fact in objects(network, "BGPPeer", GROUP)}
    for kind in ADVERTISEMENTS:
        for fact in objects(network, kind, GROUP):
            for index, name in enumerate(listed(spec_of(fact).get("ipAddressPools"))):
                if known and name not in known:
                    place = fact.place("spec", "ipAddressPools", index)
                    yield Refusal(
                        place, f"{kind} {fact.name} is about the IPAddressPool {name}, which does not exist", certain=False
                    )
            for index, name in enumerate(listed(spec_of(fact).get("peers"))):
                if peers and name not in peers:
                    place = fact.place("spec", "peers", index)
                    yield Refusal(place, f"{kind} {fact.name} is for the BGPPeer {name}, which does not exist", certain=False)
            if nobody(network, fact):
                yield Refusal(
                    fact.place("spec", "nodeSelectors"),
                    f"no node has the labels for which {kind} {fact.name} is: nothing is announced by it",
                )


def nobody(network: Network, fact: ObjectFact) -> bool:
    """Whether an object is for some nodes only, and none of those that are given is one of them."""
    selectors = [item for item in listed(spec_of(fact).get("nodeSelectors")) if isinstance(item, Mapping)]
    nodes = network.cluster.nodes.values()
    return bool(selectors and nodes) and not any(selects(item, node.labels) for item in selectors for node in nodes)


def peer(fact: ObjectFact, profiles: set[str]) -> Iterator[Refusal]:
    """``peerFromCR``."""
    spec = spec_of(fact)
    if not spec.get("myASN"):
        yield Refusal(fact.place("spec"), f"BGPPeer {fact.name} has no myASN")
    if bool(spec.get("peerASN")) == bool(spec.get("dynamicASN")):
        yield Refusal(fact.place("spec"), f"BGPPeer {fact.name} needs one of peerASN and dynamicASN")
    if spec.get("peerASN") and spec.get("peerASN") == spec.get("myASN") and spec.get("ebgpMultiHop") is True:
        yield Refusal(fact.place("spec", "ebgpMultiHop"), f"ebgpMultiHop of BGPPeer {fact.name}, whose peer is of the same AS")
    if bool(spec.get("peerAddress")) == bool(spec.get("interface")):
        yield Refusal(fact.place("spec"), f"BGPPeer {fact.name} needs one of peerAddress and interface")
    for key in ("peerAddress", "sourceAddress", "routerID"):
        if spec.get(key) and address_in(spec.get(key)) is None:
            yield Refusal(fact.place("spec", key), f"{key} {spec[key]!r} of BGPPeer {fact.name} is no address")
    if spec.get("bfdProfile") and profiles and spec.get("bfdProfile") not in profiles:
        yield Refusal(fact.place("spec", "bfdProfile"), f"there is no BFDProfile {spec['bfdProfile']}")


def services(network: Network) -> Iterator[Refusal]:
    """Services that ask for a pool or an address that is not there."""
    found = entries(network)
    names = {entry.pool.name for entry in found}
    for service in balanced(network) if found and not others(network) else ():
        for key in (key for key in POOL if service.annotations.get(key)):
            name = service.annotations[key]
            if name not in names:
                place = service.place("metadata", "annotations", key)
                yield Refusal(
                    place,
                    f"{service.namespace}/{service.name} asks for an address of the IPAddressPool {name}, which does not exist",
                )
        for place, text in wanted(service):
            item = address_in(text)
            if (
                item is not None
                and item not in service.load_balancer_addresses
                and not any(covers(entry, item) for entry in found)
            ):
                yield Refusal(
                    place, f"{service.namespace}/{service.name} asks for {item}, which no IPAddressPool has: it gets no address"
                )


def others(network: Network) -> bool:
    """Whether somebody else gives addresses to services too: Cilium, or Calico by pools of that use."""
    calico = (listed(spec_of(fact).get("allowedUses")) for fact in objects(network, "IPPool", "projectcalico.org"))
    return any(objects(network, "CiliumLoadBalancerIPPool", "cilium.io")) or any("LoadBalancer" in uses for uses in calico)


def balanced(network: Network) -> Iterator[ServiceFact]:
    """The services that MetalLB gives addresses to: of its kind, and of no other class."""
    for _, service in sorted(network.cluster.services.items()):
        kind = spec_of(service).get("loadBalancerClass")
        if service.type == "LoadBalancer" and (not kind or "metallb" in str(kind)):
            yield service


def wanted(service: ServiceFact) -> Iterator[tuple[Span, str]]:
    """The addresses that a service asks for, with their places."""
    if text := spec_of(service).get("loadBalancerIP"):
        yield service.place("spec", "loadBalancerIP"), str(text)
    for key in ADDRESSES:
        for part in service.annotations.get(key, "").split(","):
            if part.strip():
                yield service.place("metadata", "annotations", key), part.strip()


def unannounced(network: Network) -> Iterator[tuple[ObjectFact, str, bool]]:
    """Pools whose addresses nobody announces, with why; False where advertisements may just not be among the objects."""
    given = [fact for kind in ADVERTISEMENTS for fact in objects(network, kind, GROUP)]
    peers = list(objects(network, "BGPPeer", GROUP))
    for pool in objects(network, "IPAddressPool", GROUP):
        mine = [fact for fact in given if about(fact, pool)]
        if not mine:
            yield pool, "no L2Advertisement and no BGPAdvertisement is about it", bool(given)
        elif all(fact.kind == "BGPAdvertisement" for fact in mine) and not peers:
            yield pool, "it is announced by BGP, and there is no BGPPeer", False


def about(fact: ObjectFact, pool: ObjectFact) -> bool:
    """Whether an advertisement is about a pool: by name, by its labels, or about all."""
    names, selectors = listed(spec_of(fact).get("ipAddressPools")), listed(spec_of(fact).get("ipAddressPoolSelectors"))
    by_label = any(isinstance(item, Mapping) and selects(item, pool.labels) for item in selectors)
    return (not names and not selectors) or pool.name in names or by_label


def short(network: Network) -> Iterator[tuple[Entry, int, int]]:
    """The first entry of the pools that any service may use, how many addresses of IPv4 they have, and how many services ask, where that is more."""
    found = entries(network)
    open_to_all = not any(
        spec_of(entry.pool).get("serviceAllocation") or spec_of(entry.pool).get("autoAssign") is False for entry in found
    )
    room = sum(prefix.last - prefix.value + 1 for entry in found for prefix in entry.networks if prefix.family == 4)
    asking = [one for one in balanced(network) if not any(one.annotations.get(key) for key in SHARED) and one.cluster_addresses]
    count = sum(any(item.family == 4 for item in one.cluster_addresses) for one in asking)
    if found and open_to_all and room and count > room:
        yield found[0], room, count
