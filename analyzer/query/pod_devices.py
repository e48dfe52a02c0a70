"""The devices by which pods' packets come to their node, whether or not the pods' own namespaces were captured.

A node's own files often are all that there is. That pods are there is then told by the names that CNI plugins give: bridges (``cni0``: flannel and the bridge plugin's
default, ``cbr0``: kubenet, ``kube-bridge``: kube-router), and the host ends of pods' interfaces (``cali…``: Calico, ``lxc…``: Cilium, ``eni…``: the Amazon VPC CNI, ``azv…``:
Azure, ``gke…``: GKE, ``veth…``: the reference plugins).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from analyzer.facts.links import LinkFact
from analyzer.model.network import Namespace, Network
from analyzer.query.once import Whole
from analyzer.query.plan import PodFact, captured_name, local_bridge, running_pods
from analyzer.query.state import BRIDGES, roots
from analyzer.query.tunnels import host_ends
from analyzer.source import Scope, Span

ENDS = re.compile(r"(cali\w+|lxc(?!br)\w+|eni[0-9a-f]+|azv[0-9a-f]+|gke[0-9a-f]+)")
VETH = re.compile(r"veth\w+")


@dataclass(frozen=True, slots=True)
class PodDevice:
    """Such a device, what shows that it is there, and the bridge that it is a port of; ``end``: it is the end of one pod's interface."""

    name: str
    at: Span
    end: bool = False
    bridge: str = ""


def pod_devices(network: Network, root: Namespace) -> Mapping[str, PodDevice]:
    """The devices by name: bridges of pods, and ends of pods' interfaces."""
    return every_node(Whole(network)).get(root.scope, {})


@lru_cache(maxsize=1)
def every_node(whole: Whole) -> Mapping[Scope, Mapping[str, PodDevice]]:
    """Those of every node, once for all who ask."""
    return {root.scope: of_node(whole.network, root) for root in roots(whole.network)}


def of_node(network: Network, root: Namespace) -> dict[str, PodDevice]:
    """Those of one node."""
    found: dict[str, PodDevice] = {}
    for end in host_ends(network, root):
        bridge = end.bridge.name if end.bridge is not None else ""
        found.setdefault(end.end.name, PodDevice(end.end.name, end.end.at, True, bridge))
        if end.bridge is not None:
            found.setdefault(bridge, PodDevice(bridge, end.bridge.at))
    for name, at in named(root):
        if name in BRIDGES:
            found.setdefault(name, PodDevice(name, at))
        elif is_end(root, name):
            found.setdefault(name, PodDevice(name, at, True, master(root, name)))
    return found


def named(root: Namespace) -> Iterator[tuple[str, Span]]:
    """The devices that any text of the node names, links first."""
    yield from ((name, link.at) for name, link in root.links.items())
    yield from ((fact.device, fact.at) for fact in root.addresses)
    yield from ((name, port.at) for name, port in root.ports.items())
    yield from ((port.master, port.at) for port in root.ports.values() if port.master)
    for by_table in root.routes.values():
        for routes in by_table.values():
            yield from ((hop.device, route.at) for route in routes for hop in route.next_hops if hop.device)


def is_end(root: Namespace, name: str) -> bool:
    """Whether a device is the end of a pod's interface: by a CNI's name for it, or a veth whose other end is in another namespace and that is no
    port of a bridge of other tools."""
    bridge = master(root, name)
    if ENDS.fullmatch(name):
        return True
    if not VETH.fullmatch(name) or local_bridge(bridge):
        return False
    return bridge in BRIDGES or elsewhere(root.links.get(name))


def elsewhere(link: LinkFact | None) -> bool:
    """Whether the other end of a veth pair is in another namespace."""
    return link is not None and link.netnsid is not None


def master(root: Namespace, name: str) -> str:
    """The bridge that a device is a port of; empty where none is known."""
    link, port = root.links.get(name), root.ports.get(name)
    return (link.master if link else None) or (port.master if port else None) or ""


def families(network: Network, root: Namespace, devices: Mapping[str, PodDevice]) -> frozenset[int]:
    """The families that pods of the node have addresses of, as far as anything tells: pods' objects, addresses and routes of the devices."""
    found = {address.family for end in host_ends(network, root) for address in end.pod.addresses}
    found |= {address.family for pod in objects_on(network, root) for address in pod.addresses}
    found |= {fact.address.family for fact in root.addresses if fact.device in devices and fact.scope_name != "link"}
    for family, by_table in root.routes.items():
        routes = (route for routes in by_table.values() for route in routes if route.kind == "unicast")
        if any(
            hop.device in devices and not link_local(route.destination.value, family)
            for route in routes
            for hop in route.next_hops
        ):
            found.add(family)
    return frozenset(found)


def link_local(value: int, family: int) -> bool:
    """Whether an address is one of fe80::/10 or of multicast (ff00::/8), which every device has."""
    return family == 6 and (value >> 118 == 0xFE80 >> 6 or value >> 120 == 0xFF)


def objects_on(network: Network, root: Namespace) -> list[PodFact]:
    """The objects of the running pods with a network of their own on the node, by name."""
    return by_node(Whole(network)).get(root.scope.node, [])


@lru_cache(maxsize=1)
def by_node(whole: Whole) -> Mapping[str, list[PodFact]]:
    """Those of every captured node, once for all who ask."""
    found: dict[str, list[PodFact]] = {}
    for pod in running_pods(whole.network):
        if pod.node:
            found.setdefault(captured_name(whole.network, pod.node), []).append(pod)
    return found


def pod_count(network: Network, root: Namespace) -> int:
    """How many pods of its own network run on the node, by their objects or their namespaces; 0 where nothing tells."""
    return max(len(objects_on(network, root)), len({end.pod.name for end in host_ends(network, root)}))
