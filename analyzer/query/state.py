"""Look-ups over captured state that several rules share. None of them walks a packet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from analyzer.addresses import Address, Prefix
from analyzer.facts.kubernetes import ContainerPort, PodFact, ServiceFact
from analyzer.model.network import Attachment, Namespace, Network
from analyzer.query.once import Identity, Whole
from analyzer.source import Scope

__all__ = ["ContainerPort", "PodFact", "ServiceFact"]

BRIDGES = frozenset({"cni0", "cbr0", "kube-bridge"})
"""The bridges that CNI plugins make for pods."""


def roots(network: Network) -> Iterator[Namespace]:
    """The root network namespace of each captured node, by name."""
    for scope in sorted(network.namespaces):
        if not scope.namespace:
            yield network.namespaces[scope]


def root_of(network: Network, node: str) -> Namespace | None:
    """A node's root network namespace; None when it was not captured."""
    return network.namespaces.get(Scope(node))


def pods_on(network: Network, node: str) -> Iterator[Attachment]:
    """The pods with a network namespace of their own on the node."""
    return iter(network.pods_of.get(node, ()))


def pod_prefixes(network: Network) -> tuple[Prefix, ...]:
    """The pod networks of the cluster: what is said of them, each once."""
    return tuple(dict.fromkeys(item.prefix for item in network.cluster.ranges if item.purpose == "pod"))


def node_addresses(network: Network) -> dict[Address, str]:
    """Every node address that the API states, with its node."""
    return {found: node.name for node in network.cluster.nodes.values() for _, found in node.addresses}


def backends(network: Network, service: ServiceFact) -> list[PodFact]:
    """The pods that a service's selector matches, those that have ended left out."""
    wanted = (service.selector or {}).items()
    here = by_namespace(Whole(network)).get(service.namespace, ()) if wanted else ()
    return [pod for pod in here if wanted <= pod.labels.items()]


@lru_cache(maxsize=1)
def by_namespace(whole: Whole) -> Mapping[str, list[PodFact]]:
    """The pods of each namespace by name, those that have ended left out; once for all who ask."""
    found: dict[str, list[PodFact]] = {}
    for pod in pods_by_name(whole.network):
        if not pod.finished:
            found.setdefault(pod.namespace, []).append(pod)
    return found


def pods_by_name(network: Network) -> tuple[PodFact, ...]:
    """All pods, by namespace and name."""
    return sorted_pods(Identity(network.cluster))


@lru_cache(maxsize=2)
def sorted_pods(key: Identity) -> tuple[PodFact, ...]:
    """The same, once for all who ask."""
    found = key.cluster.pods
    return tuple(found[name] for name in sorted(found))
