"""What rules ask of Cilium's maps: the nodes that have it, the pods that it should know, and the entries about an address."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from analyzer.addresses import Address, Prefix, prefix_of
from analyzer.facts.cilium import LOWEST, EndpointEntryFact, EndpointFact, FrontendFact, IpcacheFact
from analyzer.facts.kubernetes import PodFact
from analyzer.model.cilium import CiliumState
from analyzer.model.network import Network
from analyzer.model.systems.reading import listing, mapping, prefixes
from analyzer.query.state import pods_by_name, roots
from analyzer.source import Span

__all__ = [
    "CiliumState",
    "EndpointFact",
    "FrontendFact",
    "Known",
    "Planned",
    "agents",
    "endpoint_of",
    "entry_of",
    "known_pods",
    "missing_pods",
    "node_of",
    "of_workload",
    "planned",
    "whole",
]


class Known(NamedTuple):
    """A pod's address that an endpoint of a captured node has."""

    pod: PodFact
    address: Address
    state: CiliumState
    entry: EndpointEntryFact


class Planned(NamedTuple):
    """A node's pod network of IPv4, the addresses that tunnels to it may lead to, and the place that says so."""

    node: str
    network: Prefix
    addresses: tuple[Address, ...]
    at: Span


def planned(network: Network) -> list[Planned]:
    """The pod networks of nodes: of CiliumNodes (api/v2, ``spec.ipam.podCIDRs``, ``spec.addresses``) where there are any, else of Nodes."""
    found = []
    for fact in network.cluster.others:
        if fact.kind == "CiliumNode" and fact.api_version.startswith("cilium.io/"):
            spec = mapping(fact.document.get("spec"))
            texts = [mapping(item).get("ip") for item in listing(spec.get("addresses"))]
            held = tuple(Address(one.family, one.value) for text in texts for one in prefixes(text))
            for index, text in enumerate(listing(mapping(spec.get("ipam")).get("podCIDRs"))):
                at = fact.place("spec", "ipam", "podCIDRs", index)
                found += [Planned(fact.name, one, held, at) for one in prefixes(text) if one.family == 4]
    for name, node in sorted(network.cluster.nodes.items()) if not found else ():
        held = tuple(address for _, address in node.addresses)
        for index, one in enumerate(node.pod_cidrs):
            if one.family == 4:
                found.append(Planned(name, one, held, node.place("spec", "podCIDRs", index)))
    return found


def agents(network: Network) -> Iterator[CiliumState]:
    """The captured nodes with maps of Cilium, by name."""
    return (space.cilium for space in roots(network) if space.cilium is not None)


def whole(network: Network, state: CiliumState, kind: str) -> bool:
    """Whether a listing was captured, and every line of it understood."""
    return kind not in state.missing and not network.namespaces[state.scope].gaps.get(kind)


def endpoint_of(state: CiliumState, address: Address) -> EndpointEntryFact | None:
    """The endpoint map's entry of an address."""
    return next((entry for entry in state.entries if entry.address == address), None)


def entry_of(state: CiliumState, address: Address) -> IpcacheFact | None:
    """The ipcache's entry of an address: the longest prefix."""
    found = (fact for fact in state.ipcache if fact.prefix.covers(address))
    return max(found, key=lambda fact: fact.prefix.length, default=None)


def pods(network: Network) -> Iterator[PodFact]:
    """The pods with an address of their own that should be there."""
    for pod in pods_by_name(network):
        if pod.addresses and not (pod.host_network or pod.finished or pod.terminating):
            yield pod


def known_pods(network: Network) -> Iterator[Known]:
    """The pods' addresses that are in the endpoint map of their own node."""
    by_node = {state.scope.node: state for state in agents(network)}
    for pod in pods(network):
        state = by_node.get(network.node_names.get(pod.node, pod.node))
        for address in pod.addresses if state is not None else ():
            entry = endpoint_of(state, address) if state is not None else None
            if state is not None and entry is not None and not entry.host:
                yield Known(pod, address, state, entry)


def missing_pods(network: Network) -> Iterator[tuple[PodFact, Address, CiliumState]]:
    """The addresses of running pods that are not in the endpoint map of their own node."""
    by_node = {state.scope.node: state for state in agents(network) if whole(network, state, "cilium-endpoint-map")}
    for pod in pods(network):
        state = by_node.get(network.node_names.get(pod.node, pod.node))
        if state is not None and pod.phase == "Running":
            yield from ((pod, address, state) for address in pod.addresses if endpoint_of(state, address) is None)


def node_of(state: CiliumState, address: Address) -> tuple[Address, Span] | None:
    """The node that packets to an address are sent to in the tunnel: by the ipcache, else by the tunnel map."""
    fact = entry_of(state, address)
    if fact is not None and "skiptunnel" in fact.flags:
        return None
    if fact is not None and fact.identity and fact.tunnel is not None:
        return fact.tunnel, fact.at
    wanted = prefix_of(address, state.mask).value
    found = (entry for entry in state.tunnels if entry.network.family == address.family == 4 and entry.network.value == wanted)
    return next(((entry.node, entry.at) for entry in found), None)


def of_workload(identity: int) -> bool:
    """Whether an identity is one of pods' labels."""
    return LOWEST <= identity < 1 << 24
