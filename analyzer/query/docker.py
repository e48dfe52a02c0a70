"""What rules ask of Docker's records: the networks of each captured host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from analyzer.addresses import Address
from analyzer.facts.docker import DockerContainerFact, DockerNetworkFact, PublishedPort
from analyzer.facts.matches import Side
from analyzer.facts.netfilter import Translate, UnknownTarget
from analyzer.facts.nftables import Translation
from analyzer.model.network import Namespace, Network
from analyzer.query.state import roots
from analyzer.query.tables import chains
from analyzer.source import Span

__all__ = [
    "DockerContainerFact",
    "DockerNetworkFact",
    "Led",
    "PublishedPort",
    "container_addresses",
    "docker_containers",
    "docker_networks",
    "led",
]


class Led(NamedTuple):
    """Where a rule translates destinations to: the address, and the port where it gives one."""

    at: Span
    address: Address
    port: int | None


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


def container_addresses(network: Network, root: Namespace, container: DockerContainerFact) -> frozenset[Address]:
    """The IPv4 addresses of a container: its own record's, or those that the networks of its host tell."""
    told = {
        address
        for fact in network.docker
        if isinstance(fact, DockerNetworkFact) and fact.scope == root.scope and fact.name in container.networks
        for end in fact.endpoints
        if end.name == container.name
        for address in end.addresses
    }
    return frozenset(address for address in (*container.addresses, *told) if address.family == 4)


def led(root: Namespace) -> list[Led] | None:
    """Where the rules of a host translate the destinations of IPv4 packets to; None where some of them is not one address, or not understood."""
    found = []
    for _, one in chains(root, "nat"):
        for rule in one.rules:
            if isinstance(rule.target, UnknownTarget):
                return None
            if isinstance(rule.target, Translate) and rule.target.side is Side.DESTINATION:
                found.append((rule.at, rule.target.addresses, rule.target.ports))
    for table in root.nft_tables:
        for item in (item for chain in table.chains.values() for rule in chain.rules for item in rule.statements):
            if isinstance(item, UnknownTarget) or (isinstance(item, Translation) and item.look_up is not None):
                return None
            if isinstance(item, Translation) and item.kind == "dnat" and (item.family or 4) == 4 and table.family != "ip6":
                found.append((table.at, item.addresses, item.ports))
    return [Led(at, Address(4, first[0]), ports[0] if ports else None) for at, first, ports in found if first is not None]
