"""What OVN-Kubernetes writes on its nodes beside their subnets (ovn-org/ovn-kubernetes go-controller/pkg/util/node_annotations.go).

``l3-gateway-config`` is read as ``L3GatewayConfig.UnmarshalJSON`` does: an empty mode is a gateway that is switched off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from analyzer.addresses import WIDTH, Address, Prefix
from analyzer.facts.kubernetes import NodeFact
from analyzer.model.embedded import Inside, Path, inside
from analyzer.model.network import Network
from analyzer.query.refusals import Refusal, address_in, network_in
from analyzer.query.systems.flannel import place
from analyzer.source import Span

PREFIX = "k8s.ovn.org/"
GATEWAY, CHASSIS, PRIMARY, CIDRS, ZONE, NUMBER = (
    f"{PREFIX}{name}"
    for name in ("l3-gateway-config", "node-chassis-id", "node-primary-ifaddr", "host-cidrs", "zone-name", "node-id")
)
MANAGEMENT = (f"{PREFIX}node-mgmt-port-mac-addresses", f"{PREFIX}node-mgmt-port-mac-address")
JOINED = (f"{PREFIX}node-gateway-router-lrp-ifaddrs", f"{PREFIX}node-gateway-router-lrp-ifaddr")
TRANSIT = f"{PREFIX}node-transit-switch-port-ifaddr"
MODES = ("shared", "local", "")
MAC = re.compile(r"[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}")
VLAN_MOST = 4095
DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Told:
    """A value of an annotation: an address with its network, a MAC or a word, and its place."""

    text: str
    at: Span

    @property
    def address(self) -> Address | None:
        """The address before the length."""
        return address_in(self.text.partition("/")[0])

    @property
    def network(self) -> Prefix | None:
        """The network that the address is in."""
        return network_in(self.text)


@dataclass(frozen=True, slots=True)
class Gateway:
    """The gateway router of a node: its interface, MAC, addresses and next hops, as far as they can be read."""

    interface: str
    bridge: str
    mac: Told | None
    addresses: tuple[Told, ...]
    hops: tuple[Told, ...]


def annotated(network: Network) -> list[NodeFact]:
    """The nodes that OVN-Kubernetes wrote on."""
    return [node for node in network.cluster.nodes.values() if any(key.startswith(PREFIX) for key in node.annotations)]


def document(network: Network, node: NodeFact, key: str) -> tuple[Inside, Span] | None:
    """The JSON of an annotation, with the place of the whole; None without it."""
    text = node.annotations.get(key)
    if not text:
        return None
    at = node.place("metadata", "annotations", key)
    return inside(text, at, network.sources.get(at.path)), at


def gateway(network: Network, node: NodeFact) -> Gateway | None:
    """The gateway of the cluster's own network; None where there is none, it is switched off, or nothing of it can be read."""
    found = document(network, node, GATEWAY)
    value = found[0].value.get(DEFAULT) if found and isinstance(found[0].value, Mapping) else None
    if found is None or not isinstance(value, Mapping) or not value.get("mode"):
        return None
    bridge, interface = str(value.get("bridge-id") or ""), str(value.get("interface-id") or "")
    mac = next(texts(found, value, "mac-address"), None)
    return Gateway(
        interface,
        bridge or interface.removesuffix(f"_{node.name}"),
        mac,
        tuple(texts(found, value, "ip-addresses", "ip-address")),
        tuple(texts(found, value, "next-hops", "next-hop")),
    )


def texts(found: tuple[Inside, Span], value: Mapping[str, Any], key: str, older: str = "") -> Iterator[Told]:
    """The texts of a field that is a list or one text; ``older`` is its name where there was one alone."""
    name = key if value.get(key) else older
    told = value.get(name)
    for index, text in enumerate(told if isinstance(told, list) else [told] if told else []):
        path: Path = (DEFAULT, name, index) if isinstance(told, list) else (DEFAULT, name)
        yield Told(str(text), place(found[0], path, found[1]))


def by_family(network: Network, node: NodeFact, *keys: str) -> Iterator[Told]:
    """The addresses of ``{"ipv4": …, "ipv6": …}``, in newer versions below ``default``; the first annotation that is there counts."""
    found = next((found for key in keys if (found := document(network, node, key)) is not None), None)
    value = found[0].value if found else None
    inner = value.get(DEFAULT) if isinstance(value, Mapping) else None
    path: Path = (DEFAULT,) if isinstance(inner, Mapping) else ()
    told = inner if isinstance(inner, Mapping) else value
    for family in ("ipv4", "ipv6"):
        if found and isinstance(told, Mapping) and isinstance(text := told.get(family), str) and text:
            yield Told(text, place(found[0], (*path, family), found[1]))


def refusals(network: Network) -> Iterator[Refusal]:
    """Annotations that the node's gateway is not made from."""
    for node in annotated(network):
        found = document(network, node, GATEWAY)
        if found is not None:
            yield from gateway_value(network, node, found)
        for told in by_family(network, node, PRIMARY):
            if told.network is None:
                yield Refusal(told.at, f"node {node.name}: node-primary-ifaddr {told.text!r} is no address with a length")
        cidrs = document(network, node, CIDRS)
        listed = cidrs[0].value if cidrs else None
        if cidrs and not isinstance(listed, list):
            yield Refusal(cidrs[1], f"node {node.name}: host-cidrs is no list of addresses")
        for index, text in enumerate(listed if isinstance(listed, list) else ()):
            if cidrs and network_in(text) is None:
                at = place(cidrs[0], (index,), cidrs[1])
                yield Refusal(at, f"node {node.name}: {text!r} of host-cidrs is no address with a length")


def gateway_value(network: Network, node: NodeFact, found: tuple[Inside, Span]) -> Iterator[Refusal]:
    """``l3-gateway-config``: its mode, and the fields of a gateway that is on."""
    value = found[0].value
    if not isinstance(value, Mapping) or not isinstance(value.get(DEFAULT), Mapping):
        yield Refusal(found[1], f"node {node.name}: l3-gateway-config has no object {DEFAULT!r}")
        return
    own = value[DEFAULT]
    if own.get("mode", "") not in MODES:
        at = place(found[0], (DEFAULT, "mode"), found[1])
        yield Refusal(at, f"node {node.name}: the gateway's mode {own['mode']!r} is none of shared, local")
    if (made := gateway(network, node)) is not None:
        yield from gateway_fields(node, made, own, found)


def gateway_fields(node: NodeFact, made: Gateway, own: Mapping[str, Any], found: tuple[Inside, Span]) -> Iterator[Refusal]:
    """The fields of a gateway, and a next hop that is in none of its networks."""
    if made.mac is None or not MAC.fullmatch(made.mac.text):
        at = made.mac.at if made.mac else place(found[0], (DEFAULT,), found[1])
        yield Refusal(at, f"node {node.name}: the gateway's mac-address {made.mac.text if made.mac else ''!r} is no MAC address")
    vlan = str(own.get("vlan-id") or "0")
    if not vlan.isdecimal() or int(vlan[:6]) > VLAN_MOST:
        at = place(found[0], (DEFAULT, "vlan-id"), found[1])
        yield Refusal(at, f"node {node.name}: vlan-id {vlan!r} is no number from 0 to {VLAN_MOST}")
    for told in made.addresses:
        if told.network is None:
            yield Refusal(told.at, f"node {node.name}: {told.text!r} of the gateway is no address with a length")
    for hop in made.hops:
        if hop.address is None:
            yield Refusal(hop.at, f"node {node.name}: next hop {hop.text!r} is no address")
        else:
            yield from unreached(node, made, hop, hop.address)


def unreached(node: NodeFact, made: Gateway, hop: Told, address: Address) -> Iterator[Refusal]:
    """A next hop outside the gateway's networks: OVN makes no route of it (northd ``find_static_route_outport``). Clouds that give single
    addresses have it elsewhere always."""
    known = [item for told in made.addresses if (item := told.network) is not None and item.family == address.family]
    if known and all(item.length < WIDTH[item.family] and not item.covers(address) for item in known):
        words = f"node {node.name}: the next hop {address} is not in {', '.join(map(str, known))}, the gateway's network"
        yield Refusal(hop.at, words)
