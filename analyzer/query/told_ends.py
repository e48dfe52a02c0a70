"""The ends of overlays' tunnels as the nodes have told each other in objects: MAC, inner and outer address.

flannel writes what its peers need into annotations of the Node: ``public-ip`` and the ``VtepMAC`` of ``backend-data`` (``public-ipv6`` and ``backend-v6-data`` for IPv6); its
device has the first address of the node's pod network (flannel, pkg/backend/vxlan/vxlan.go, subnet/kube). Calico writes ``IPv4VXLANTunnelAddr``, ``VXLANTunnelMACAddr``
and ``IPv4Address`` (libcalico-go, lib/backend/k8s/resources/node.go).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from analyzer.addresses import Address, address, hardware_address
from analyzer.facts.kubernetes import NodeFact
from analyzer.model.network import Network
from analyzer.query.plan import captured_name
from analyzer.source import Span

FLANNEL, CALICO = "flannel.alpha.coreos.com/", "projectcalico.org/"
ADDRESSES = (
    "IPv4IPIPTunnelAddr",
    "IPv4VXLANTunnelAddr",
    "IPv6VXLANTunnelAddr",
    "IPv4WireguardInterfaceAddr",
    "IPv6WireguardInterfaceAddr",
)


@dataclass(frozen=True, slots=True)
class TunnelEnd:
    """The end of a VXLAN tunnel on a node. ``device`` is the beginning of the device's name, ``inner`` the addresses that routes name as gateways,
    ``outer`` where its packets are sent to; ``said`` how it is known, in words: a device, or what an annotation says."""

    node: str
    device: str
    inner: tuple[Address, ...]
    mac: int | None
    outer: Address | None
    at: Span
    said: str
    captured: bool


def annotated(network: Network) -> Iterator[TunnelEnd]:
    """What objects say of the nodes' own addresses among the pods': Calico's annotations, Cilium's router addresses (CiliumNode, CiliumInternalIP). flannel's
    device has the network's own address, which no pod gets."""
    for _, node in sorted(network.cluster.nodes.items()):
        name = captured_name(network, node.name)
        for key in ADDRESSES:
            if (held := address_of(node.annotations.get(CALICO + key))) is not None:
                at = node.place("metadata", "annotations", CALICO + key)
                yield TunnelEnd(name, "", (held,), None, None, at, f"Node {node.name} ({key})", False)
    for fact in network.cluster.others:
        spec = fact.document.get("spec") if fact.kind == "CiliumNode" else None
        listed = spec.get("addresses") if isinstance(spec, Mapping) else None
        for index, item in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(item, Mapping) and item.get("type") == "CiliumInternalIP":
                held = address_of(str(item.get("ip")))
                at = fact.place("spec", "addresses", index, "ip")
                yield TunnelEnd(fact.name, "", (held,) if held else (), None, None, at, f"CiliumNode {fact.name}", False)


def told(network: Network, node: NodeFact) -> Iterator[TunnelEnd]:
    """What the annotations of a Node say."""
    name = captured_name(network, node.name)
    said = node.annotations
    for family, data, outer, device in (
        (4, "backend-data", "public-ip", "flannel."),
        (6, "backend-v6-data", "public-ipv6", "flannel-v6."),
    ):
        mac = mac_of(said.get(FLANNEL + data, ""))
        if said.get(FLANNEL + "backend-type", "vxlan") == "vxlan" and (mac is not None or FLANNEL + outer in said):
            inner = tuple(Address(family, cidr.value) for cidr in node.pod_cidrs if cidr.family == family)
            key = FLANNEL + (data if mac is not None else outer)
            at = node.place("metadata", "annotations", key)
            words = f"Node {node.name} (annotation {key.rpartition('/')[2]})"
            yield TunnelEnd(name, device, inner, mac, address_of(said.get(FLANNEL + outer)), at, words, False)
    for version, device in (("IPv4", "vxlan.calico"), ("IPv6", "vxlan-v6.calico")):
        key = f"{CALICO}{version}VXLANTunnelAddr"
        held = address_of(said.get(key))
        if held is not None:
            mac_key = f"{CALICO}VXLANTunnelMACAddr{'V6' * (version == 'IPv6')}"
            at = node.place("metadata", "annotations", mac_key if mac_key in said else key)
            outer_end = address_of(said.get(f"{CALICO}{version}Address"))
            yield TunnelEnd(
                name, device, (held,), hardware(said.get(mac_key, "")), outer_end, at, f"Node {node.name} (annotations)", False
            )


def mac_of(text: str) -> int | None:
    """The MAC in flannel's ``{"VNI":1,"VtepMAC":"…"}``."""
    try:
        found = json.loads(text[:4096]) if text else None
    except ValueError:
        return None
    return hardware(str(found.get("VtepMAC", ""))) if isinstance(found, Mapping) else None


def hardware(text: str) -> int | None:
    """A MAC address; None where the text is none."""
    try:
        return hardware_address(text)
    except ValueError:
        return None


def address_of(text: str | None) -> Address | None:
    """The address in ``10.0.0.1`` or ``10.0.0.1/24``; None where the text is none."""
    try:
        return address(text.partition("/")[0]) if text else None
    except ValueError:
        return None
