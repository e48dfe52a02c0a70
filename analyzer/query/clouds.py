"""What a cloud's network drops between nodes: pods' packets at interfaces where it checks source and destination."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from analyzer.addresses import WIDTH, Address, Prefix
from analyzer.facts.clouds import CloudInterfaceFact, CloudRouteFact
from analyzer.facts.kubernetes import NodeFact
from analyzer.facts.links import Geneve, Tunnel, Vxlan, Wireguard
from analyzer.facts.routes import MAIN, RouteFact
from analyzer.model.network import Namespace, Network
from analyzer.query.state import node_addresses, pod_prefixes, roots
from analyzer.source import Span

__all__ = ["Checked", "CloudInterfaceFact", "CloudRouteFact", "Way", "checked", "wrong_routes"]
QUOTAS = {
    "aws": 50,
    "azure": 400,
}  # Amazon VPC quotas (routes per route table), Azure subscription limits (routes per route table)


Wanted = dict[Prefix, tuple[str, NodeFact, int]]


class Way(NamedTuple):
    """A route that leads pods' packets somewhere without a tunnel: a node's, or the cloud's (``sender`` is then empty)."""

    sender: str
    destination: Prefix
    at: Span


class Checked(NamedTuple):
    """An interface of a node at which a cloud drops pods' packets, and the routes that lead such there, without a tunnel."""

    fact: CloudInterfaceFact
    node: str
    routes: tuple[Way, ...]


def checked(network: Network) -> Iterator[Checked]:
    """The interfaces of nodes at which pods' packets are dropped, in the order of the text."""
    pods = (*pod_prefixes(network), *held(network))
    for fact in network.cluster.cloud_interfaces:
        node = owner(network, fact) if fact.checked else ""
        if not node:
            continue
        led = [Way(root.scope.node, one.destination, one.at) for root in roots(network) for one in routed(root, fact, pods)]
        led += [
            Way("", one.destination, one.at)
            for one in network.cluster.cloud_routes
            if leads_to(one, fact) and to_pods(one, fact, pods)
        ]
        if led:
            yield Checked(fact, node, tuple(led))


def leads_to(route: CloudRouteFact, fact: CloudInterfaceFact) -> bool:
    """Whether a cloud's route leads to an interface."""
    return route.active and (route.via in fact.addresses or route.machine == fact.name)


def to_pods(route: CloudRouteFact, fact: CloudInterfaceFact, pods: tuple[Prefix, ...]) -> bool:
    """Whether a route is for pods that the cloud does not know to be there."""
    known = any(one.covers(route.destination) for one in fact.passed)
    return route.destination.length > 0 and not known and any(one.covers(route.destination) for one in pods)


class Wrong(NamedTuple):
    """What is wrong with the routes of a cloud: at a route, or at a node's pod network without one. ``certain``: the listing cannot be a part only."""

    at: Span
    words: str
    related: tuple[tuple[Span, str], ...]
    certain: bool


def wrong_routes(network: Network) -> Iterator[Wrong]:
    """The cloud's routes against the nodes' pod networks. A cluster none of whose pod networks has a route does without them."""
    wanted: Wanted = {
        one: (name, node, index)
        for name, node in sorted(network.cluster.nodes.items())
        for index, one in enumerate(node.pod_cidrs)
    }
    routes = [one for one in network.cluster.cloud_routes if one.destination in wanted]
    for one in routes:
        name, node, index = wanted[one.destination]
        label = ((node.place("spec", "podCIDRs", index), f"the pod network of {name}"),)
        if not one.active:
            yield Wrong(
                one.at, f"the cloud's route for {one.destination}, the pods of {name}, leads to nothing any more", label, True
            )
        elif (target := elsewhere(node, one)) is not None:
            yield Wrong(one.at, f"the cloud's route for {one.destination}, the pods of {name}, leads to {target}", label, True)
    yield from without_route(wanted, routes)
    yield from full(network)


def without_route(wanted: Wanted, routes: list[CloudRouteFact]) -> Iterator[Wrong]:
    """The pod networks that no route leads to, of families of which there are some."""
    have = {one.destination for one in routes}
    families = {found.family for found in have}
    for pods, (name, node, index) in wanted.items():
        if pods not in have and pods.family in families:
            place = node.place("spec", "podCIDRs", index)
            yield Wrong(
                place,
                f"no route of the cloud leads to {pods}, the pods of {name}",
                ((routes[0].at, "that of another node"),),
                False,
            )


def elsewhere(node: NodeFact, route: CloudRouteFact) -> str | None:
    """What a route leads to where that is not the node; None where it is, or may be."""
    if route.via is not None:
        own = {address for _, address in node.addresses}
        return f"{route.via}, which {node.name} does not have" if own and route.via not in own else None
    spec = node.document.get("spec")
    machine = str(spec.get("providerID") or "").rpartition("/")[2] if isinstance(spec, Mapping) else ""
    comparable = route.provider != "aws" or route.machine.startswith("i-")
    return f"{route.machine}, and {node.name} is {machine}" if machine and comparable and machine != route.machine else None


def full(network: Network) -> Iterator[Wrong]:
    """Tables with as many routes to machines as a cloud lets have by default."""
    tables: dict[tuple[str, str], list[CloudRouteFact]] = {}
    for one in network.cluster.cloud_routes:
        tables.setdefault((one.provider, one.table), []).append(one)
    for (provider, table), routes in tables.items():
        if table and len(routes) >= QUOTAS.get(provider, len(routes) + 1):
            words = f"table {table} has {len(routes)} routes to machines, and the default quota is {QUOTAS[provider]}: one more node gets none"
            yield Wrong(routes[-1].at, words, (), False)


def held(network: Network) -> Iterator[Prefix]:
    """The pods' own addresses."""
    for item in network.attachments:
        yield from (Prefix(one.family, one.value, WIDTH[one.family]) for one in item.addresses if item.scope.namespace)


def owner(network: Network, fact: CloudInterfaceFact) -> str:
    """The node that has an address of the interface: captured, else by its object; empty: none."""
    scopes = (at.scope for one in fact.addresses for at in network.owners.get(one, ()))
    captured = next((scope.node for scope in scopes if not scope.namespace), "")
    stated = node_addresses(network)
    return captured or next((stated[one] for one in fact.addresses if one in stated), "")


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
