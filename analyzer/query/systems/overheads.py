"""The arithmetic of MTUs: what each system's encapsulation takes, and what the nodes' uplinks leave."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analyzer.model.cluster import Setting
from analyzer.model.network import Namespace, Network
from analyzer.model.systems.reading import listing, mapping
from analyzer.query.cni.configs import Holder, configs
from analyzer.query.plan import node_networks, uplinks
from analyzer.query.refusals import spec_of
from analyzer.query.state import root_of
from analyzer.query.systems.calico import pools
from analyzer.query.systems.kubernetes import settings
from analyzer.source import Span

if TYPE_CHECKING:
    from analyzer.facts.links import LinkFact

OVERHEAD = {"vxlan": 50, "ipip": 20, "wireguard": 60, "udp": 28, "geneve": 50, "ovn": 100, "stt": 72, "weave": 84, "none": 0}
FOR_PODS = ("bridge", "ptp", "calico", "cilium-cni")


@dataclass(frozen=True, slots=True)
class Configured:
    """An MTU that a system is told for its tunnels or its pods, and what its packets get around them."""

    setting: Setting
    mtu: int
    encapsulation: str
    overhead: int


@dataclass(frozen=True, slots=True)
class Uplink:
    """The uplink with the smallest MTU of all nodes."""

    mtu: int
    at: Span
    words: str


@dataclass(frozen=True, slots=True)
class FileMtu:
    """An MTU in a file of CNI configuration, and the smaller device that packets to other nodes leave by."""

    title: str
    mtu: int
    at: Span
    way: LinkFact


def smallest_uplink(network: Network) -> Uplink | None:
    """The smallest MTU of the interfaces that nodes reach each other by; None where none was captured."""
    found = []
    for item in node_networks(network):
        link = network.namespaces[item.interface.scope].links.get(item.interface.device)
        if link is not None and link.mtu:
            found.append(Uplink(link.mtu, link.at, f"MTU {link.mtu} of {item.interface}"))
    return min(found, key=lambda item: (item.mtu, item.words), default=None)


def configured(network: Network) -> Iterator[Configured]:
    """The MTUs that are told; 0 and what is no number mean that the system finds out by itself. Flannel's is that of the outer interface."""
    for system, key, encapsulation in told(network):
        for item in settings(network, system, key):
            if item.value.isdecimal() and len(item.value) < 6 and int(item.value):
                yield Configured(item, int(item.value), encapsulation, OVERHEAD[encapsulation])


def told(network: Network) -> Iterator[tuple[str, str, str]]:
    """Which setting of which system, and the encapsulation around it."""
    yield from (("calico", "vxlan-mtu", "vxlan"), ("calico", "ipip-mtu", "ipip"), ("calico", "wireguard-mtu", "wireguard"))
    yield from (("flannel", "mtu", "none"), ("cilium", "mtu", "none"))  # what they are told is the outer interface's
    yield from (("calico", "operator-mtu", kind) for kind in operator_encapsulation(network))
    yield "ovn-kubernetes", "mtu", "ovn"
    yield "weave", "mtu", "weave"
    kinds = {item.value for item in settings(network, "kube-ovn", "backend")} or {"geneve"}
    if len(kinds) == 1 and (kind := next(iter(kinds))) in ("geneve", "vxlan", "stt", "vlan"):
        yield "kube-ovn", "mtu", {"geneve": "ovn", "vlan": "none"}.get(kind, kind)


def operator_encapsulation(network: Network) -> tuple[str, ...]:
    """What the pools of IPv4 that Calico's operator makes put around packets, where all do the same (api/v1/installation_types.go, EncapsulationType)."""
    found = {
        str(pool.get("encapsulation") or "IPIP").removesuffix("CrossSubnet").lower()
        for fact in network.cluster.others
        if fact.kind == "Installation" and "operator.tigera.io" in fact.api_version
        for pool in map(mapping, listing(mapping(spec_of(fact).get("calicoNetwork")).get("ipPools")))
        if ":" not in str(pool.get("cidr"))
    }
    return tuple(found) if len(found) == 1 and found <= {"vxlan", "ipip", "none"} else ()


def of_files(network: Network) -> Iterator[FileMtu]:
    """The MTUs for pods in the CNI configuration of nodes that are larger than that of a tunnel which the node's routes to other pods lead to,
    or, where it has no tunnel, of its uplinks."""
    if not network.namespaces:
        return
    from analyzer.query.tunnels import overlays

    items = [item for item in overlays(network, by_name=True) if item.link.up and item.link.mtu]
    for config in configs(network):
        root = root_of(network, config.node) if config.holder is Holder.FILE else None
        if root is None or "ip-addr" in root.missing:
            continue
        own = [item.link for item in items if item.interface.scope == root.scope and in_use(root, item.link.name)]
        ways = own or [link for name in uplinks(root) if (link := root.links.get(name)) is not None and link.mtu]
        way = min(ways, key=lambda link: (link.mtu or 0, link.name), default=None)
        for call, path in config.calls:
            mtu = call.number("mtu")
            if way is not None and way.mtu and mtu > way.mtu and call.text("type") in FOR_PODS:
                yield FileMtu(config.title, mtu, config.place((*path, "mtu")), way)


def in_use(root: Namespace, device: str) -> bool:
    """Whether a route of the main table by way of a node leads to a network system's device."""
    from analyzer.facts.routes import MAIN

    routes = root.routes.get(4, {}).get(MAIN, ())
    return any(hop.device == device and route.protocol != "kernel" for route in routes for hop in route.next_hops)


def tunnel_of_pods(network: Network) -> Iterator[tuple[Setting, Setting]]:
    """Calico's MTU of pods that is larger than that of the tunnels which every pool uses."""
    known = list(pools(network))
    modes = {"vxlan-mtu": "vxlanMode", "ipip-mtu": "ipipMode"}
    for key, mode in modes.items():
        used = bool(known) and all(spec_of(item.fact).get(mode) in ("Always", "CrossSubnet") for item in known)
        for tunnel in settings(network, "calico", key) if used else ():
            for pods in settings(network, "calico", "mtu"):
                numbers = [item.value for item in (pods, tunnel) if item.value.isdecimal() and len(item.value) < 6]
                if len(numbers) == 2 and 0 < int(tunnel.value) < int(pods.value):
                    yield pods, tunnel
