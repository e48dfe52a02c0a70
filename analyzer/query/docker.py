"""What rules ask of Docker's records: the networks of each captured host."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.facts.docker import DockerContainerFact, DockerNetworkFact
from analyzer.model.network import Namespace, Network
from analyzer.query.state import roots

__all__ = ["DockerContainerFact", "DockerNetworkFact", "docker_containers", "docker_networks"]


def docker_networks(network: Network) -> Iterator[tuple[Namespace, list[DockerNetworkFact]]]:
    """The hosts with their networks, each network once."""
    for root in roots(network):
        found = {
            fact.identifier: fact
            for fact in reversed(network.docker)
            if isinstance(fact, DockerNetworkFact) and fact.scope == root.scope
        }
        if found:
            yield root, sorted(found.values(), key=lambda fact: (fact.name, fact.identifier))


def docker_containers(network: Network, root: Namespace) -> list[DockerContainerFact]:
    """The containers that a host lists."""
    return [fact for fact in network.docker if isinstance(fact, DockerContainerFact) and fact.scope == root.scope]
