"""The arithmetic of MTUs: what each system's encapsulation takes, and what the nodes' uplinks leave."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.model.cluster import Setting
from analyzer.model.network import Network
from analyzer.query.plan import node_networks
from analyzer.query.refusals import spec_of
from analyzer.query.systems.calico import pools
from analyzer.query.systems.kubernetes import settings
from analyzer.source import Span

OVERHEAD = {"vxlan": 50, "ipip": 20, "wireguard": 60, "udp": 28, "geneve": 50, "ovn": 100, "stt": 72, "weave": 84, "none": 0}


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
    yield "ovn-kubernetes", "mtu", "ovn"
    yield "weave", "mtu", "weave"
    kinds = {item.value for item in settings(network, "kube-ovn", "backend")} or {"geneve"}
    if len(kinds) == 1 and (kind := next(iter(kinds))) in ("geneve", "vxlan", "stt", "vlan"):
        yield "kube-ovn", "mtu", {"geneve": "ovn", "vlan": "none"}.get(kind, kind)


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
