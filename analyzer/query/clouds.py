"""What a cloud's network drops between nodes: pods' packets at interfaces where it checks source and destination."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from analyzer.addresses import WIDTH, Address, Prefix
from analyzer.facts.clouds import CloudInterfaceFact
from analyzer.facts.links import Geneve, Tunnel, Vxlan, Wireguard
from analyzer.facts.routes import MAIN, RouteFact
from analyzer.model.network import Namespace, Network
from analyzer.query.state import pod_prefixes, roots

__all__ = ["Checked", "CloudInterfaceFact", "checked"]


class Checked(NamedTuple):
    """An interface of a node at which a cloud drops pods' packets, and the routes that lead such there: by node, without a tunnel."""

    fact: CloudInterfaceFact
    node: str
    routes: tuple[tuple[str, RouteFact], ...]


def checked(network: Network) -> Iterator[Checked]:
    """The interfaces of captured nodes at which pods' packets are dropped, in the order of the text."""
    pods = (*pod_prefixes(network), *held(network))
    for fact in network.cluster.cloud_interfaces:
        node = owner(network, fact)
        led = [(root.scope.node, route) for root in roots(network) for route in routed(root, fact, pods)] if fact.checked else []
        if node and led:
            yield Checked(fact, node, tuple(led))


def held(network: Network) -> Iterator[Prefix]:
    """The pods' own addresses."""
    for item in network.attachments:
        yield from (Prefix(one.family, one.value, WIDTH[one.family]) for one in item.addresses if item.scope.namespace)


def owner(network: Network, fact: CloudInterfaceFact) -> str:
    """The captured node that has an address of the interface; empty: none."""
    scopes = (at.scope for one in fact.addresses for at in network.owners.get(one, ()))
    return next((scope.node for scope in scopes if not scope.namespace), "")


def routed(root: Namespace, fact: CloudInterfaceFact, pods: tuple[Prefix, ...]) -> Iterator[RouteFact]:
    """The routes of a node to pods by an address of the interface: not those to what the cloud knows to be there."""
    for family in (4, 6):
        for route in root.routes.get(family, {}).get(MAIN, ()):
            ways = [hop for hop in route.next_hops if hop.via in fact.addresses and not tunnelled(root, hop.device)]
            known = Address(family, route.destination.value) in fact.addresses or any(
                one.covers(route.destination) for one in fact.passed
            )
            inner = any(one.covers(route.destination) or route.destination.covers(one) for one in pods)
            if ways and inner and not known and route.destination.length:
                yield route


def tunnelled(root: Namespace, device: str | None) -> bool:
    """Whether a device puts packets into others, or is not known."""
    link = root.links.get(device or "")
    return link is None or isinstance(link.kind, Vxlan | Geneve | Tunnel | Wireguard)
