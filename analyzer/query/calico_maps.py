"""What rules ask of the maps of Calico's eBPF dataplane: the entries of each node, and which one is for an address."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.addresses import Address
from analyzer.facts.calico import MapFrontendFact, MapRouteFact
from analyzer.facts.kubernetes import PodFact
from analyzer.model.network import Namespace, Network
from analyzer.query.state import roots

__all__ = ["MapFrontendFact", "MapRouteFact", "entry_for", "frontends", "map_routes", "pods"]


def map_routes(network: Network) -> Iterator[tuple[Namespace, list[MapRouteFact]]]:
    """The captured nodes with a routing map that was read to its end, and its entries."""
    for root in roots(network):
        found = [fact for fact in network.calico_maps if isinstance(fact, MapRouteFact) and fact.scope == root.scope]
        if found and not broken(network, {fact.at.path for fact in found}):
            yield root, found


def frontends(network: Network) -> Iterator[tuple[Namespace, list[MapFrontendFact]]]:
    """The captured nodes with NAT maps that were read to their end, and their frontends."""
    for root in roots(network):
        found = [fact for fact in network.calico_maps if isinstance(fact, MapFrontendFact) and fact.scope == root.scope]
        if found and not broken(network, {fact.at.path for fact in found}):
            yield root, found


def broken(network: Network, paths: set[str]) -> bool:
    """Whether a line of one of the texts was not understood."""
    return any(item.at.path in paths for item in network.gaps)


def entry_for(entries: list[MapRouteFact], address: Address) -> MapRouteFact | None:
    """The entry of the longest prefix that holds an address (a trie of longest prefixes, felix/bpf/routes/map.go ``lpm_trie``)."""
    found = [one for one in entries if one.prefix.covers(address)]
    return max(found, key=lambda one: one.prefix.length, default=None)


def pods(network: Network) -> Iterator[PodFact]:
    """The pods that have addresses of their own, on a node."""
    return (
        pod
        for _, pod in sorted(network.cluster.pods.items())
        if pod.node and not pod.host_network and pod.phase not in ("Succeeded", "Failed")
    )
