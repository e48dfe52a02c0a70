"""The UDP ports that systems' tunnels use, by their configuration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.model.cluster import Setting
from analyzer.model.network import Network
from analyzer.query.refusals import spec_of
from analyzer.query.systems.calico import pools
from analyzer.query.systems.kubernetes import settings
from analyzer.source import Span

FLANNEL = {"vxlan": 8472, "udp": 8285, "wireguard": 51820}
CILIUM = {"vxlan": 8472, "geneve": 6081}


@dataclass(frozen=True, slots=True)
class TunnelPort:
    """A system's port, and where it is configured."""

    system: str
    port: int
    at: Span


def tunnel_ports(network: Network) -> Iterator[TunnelPort]:
    """The ports of all systems whose configuration says that they have tunnels, once for each system."""
    for item in settings(network, "flannel", "backend")[:1]:
        if item.value in FLANNEL:
            yield TunnelPort("flannel", port(network, "flannel", FLANNEL[item.value]), item.at)
    for pool in pools(network):
        if spec_of(pool.fact).get("vxlanMode") in ("Always", "CrossSubnet"):
            yield TunnelPort("calico", port(network, "calico", 4789), pool.fact.place("spec", "vxlanMode"))
            break
    for item in settings(network, "cilium", "backend")[:1]:
        native = any(one.value == "native" for one in settings(network, "cilium", "routing"))
        if item.value in CILIUM and not native:
            yield TunnelPort("cilium", port(network, "cilium", CILIUM[item.value]), item.at)
    for system in ("ovn-kubernetes", "kube-ovn"):
        for item in settings(network, system, "mtu")[:1]:
            yield TunnelPort(system, port(network, system, 6081), item.at)


def port(network: Network, system: str, default: int) -> int:
    """The port that a system is told; its default where that is 0 or no number."""
    told: list[Setting] = settings(network, system, "port")
    value = told[0].value if told else "0"
    return int(value) if value.isdecimal() and len(value) < 6 and int(value) else default
