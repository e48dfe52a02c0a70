"""Look-ups over the address plan: what networks are stated, and what the nodes themselves are on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.addresses import WIDTH, Address, Prefix, overlapping, prefix_of
from analyzer.addresses import prefix as read_prefix
from analyzer.facts.kubernetes import NodeFact, PodFact, ServicePort
from analyzer.model.cluster import Range
from analyzer.model.network import Interface, Namespace, Network
from analyzer.query.state import pods_by_name, roots
from analyzer.source import Span

__all__ = ["CALICO_ADDRESS", "NodeFact", "OnLink", "PodFact", "Range", "ServicePort", "overlapping", "prefix_of"]
CALICO_ADDRESS = "projectcalico.org/IPv4Address"
LOCAL_BRIDGES = ("docker", "br-", "virbr", "lxdbr", "podman", "lxcbr")
HARDWARE = re.compile(r"(eth|en[opsxPvXa]|em|bond|team|ib)\w+(\.\d+)?")
SWITCHES = ("br-ex", "br-int", "br-tun", "br-local")


@dataclass(frozen=True, slots=True)
class OnLink:
    """A network that an interface of a node is on, by one of its addresses."""

    interface: Interface
    address: Address
    prefix: Prefix
    at: Span


def ranges(network: Network, purpose: str) -> tuple[Range, ...]:
    """The stated networks of a purpose, each once; networks of single nodes only where nothing wider of the cluster holds them."""
    found = {item.prefix: item for item in reversed(network.cluster.ranges) if item.purpose == purpose}
    wide = [item for item in found.values() if not of_one_node(item)]
    narrow = [item for item in found.values() if of_one_node(item) and not any(one.prefix.covers(item.prefix) for one in wide)]
    return tuple(sorted([*wide, *narrow], key=lambda item: (item.prefix, item.at)))


def of_one_node(item: Range) -> bool:
    """Whether a range is the network of one node, or the address of one service."""
    return item.said_by.startswith(("Node ", "Service "))


def on_link(network: Network) -> Iterator[OnLink]:
    """The networks of every node's interfaces, loopback, link-local and host networks left out."""
    for root in roots(network):
        for fact in root.addresses:
            width = WIDTH[fact.address.family]
            if fact.device != "lo" and 0 < fact.length < width and fact.scope_name not in ("host", "link"):
                yield OnLink(Interface(root.scope, fact.device), fact.address, prefix_of(fact.address, fact.length), fact.at)
        yield from connected(root) if "ip-addr" in root.missing else ()


def connected(root: Namespace) -> Iterator[OnLink]:
    """The same by the routes that the kernel makes for addresses (fib_add_ifaddr), where no address was captured."""
    for family, by_table in root.routes.items():
        for route in by_table.get(254, ()):
            device = route.next_hops[0].device if len(route.next_hops) == 1 else None
            if (
                route.protocol == "kernel"
                and route.source is not None
                and device
                and 0 < route.destination.length < WIDTH[family]
            ):
                yield OnLink(Interface(root.scope, device), route.source, route.destination, route.at)


def node_networks(network: Network) -> Iterator[OnLink]:
    """The networks that nodes reach each other or the outside by: those of the default route's device, and of the node's address."""
    stated = {address for node in network.cluster.nodes.values() for _, address in node.addresses}
    for item in on_link(network):
        root = network.namespaces[item.interface.scope]
        if item.address in stated or item.interface.device in uplinks(root):
            yield item


def uplinks(root: Namespace) -> set[str]:
    """The devices of the default routes; where no route was captured, those with the names of hardware (systemd.net-naming-scheme(7), bonds, teams)."""
    if "ip-route/4" not in root.missing:
        return default_devices(root)
    return {name for name in (*root.links, *(fact.device for fact in root.addresses)) if HARDWARE.fullmatch(name)}


def default_devices(root: Namespace) -> set[str]:
    """The devices of the default routes of the main table."""
    every = [*root.routes.get(4, {}).get(254, ()), *root.routes.get(6, {}).get(254, ())]
    return {hop.device for route in every if route.destination.length == 0 for hop in route.next_hops if hop.device}


def local_bridge(device: str) -> bool:
    """Whether a device has the name of a bridge that container or machine tools make for themselves."""
    return device.startswith(LOCAL_BRIDGES) and device not in SWITCHES


def running_pods(network: Network) -> Iterator[PodFact]:
    """Pods with a network of their own that have not finished, by name."""
    return (pod for pod in pods_by_name(network) if not pod.host_network and not pod.finished)


def node_of(network: Network, captured: str) -> NodeFact | None:
    """The Node object of a captured node."""
    for name, folder in network.node_names.items():
        if folder == captured and name in network.cluster.nodes:
            return network.cluster.nodes[name]
    return None


def captured_name(network: Network, node: str) -> str:
    """The captured node of a Node object's name; the name itself where none was captured."""
    return network.node_names.get(node, node)


def address_place(pod: PodFact, index: int) -> Span:
    """The place of a pod's address."""
    at = pod.place("status", "podIPs", index, "ip")
    return at if at != pod.place("status") else pod.place("status", "podIP")


def annotated(network: Network, prefix: str) -> bool:
    """Whether a Node has an annotation that begins so (``flannel.alpha.coreos.com/``, ``projectcalico.org/``)."""
    return any(key.startswith(prefix) for node in network.cluster.nodes.values() for key in node.annotations)


def prefix(text: str) -> Prefix | None:
    """Reads a network; None where the text is none."""
    try:
        return read_prefix(text)
    except ValueError:
        return None


def registered_address(node: NodeFact) -> Address | None:
    """The address that Calico registered for a node, else its InternalIP."""
    told = prefix(node.annotations.get(CALICO_ADDRESS, "").partition("/")[0])
    if told is not None:
        return Address(told.family, told.value)
    return next((address for kind, address in node.addresses if kind == "InternalIP" and address.family == 4), None)
