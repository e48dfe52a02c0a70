"""The BGP peers that objects state, of every system that has such objects: whose address, which numbers, for which nodes.

Calico's BGPPeer (projectcalico/calico api/pkg/apis/projectcalico/v3/bgppeer.go), MetalLB's (metallb/metallb api/v1beta2/bgppeer_types.go), Cilium's CiliumBGPPeeringPolicy, CiliumBGPClusterConfig and
CiliumBGPNodeConfig (cilium/cilium pkg/k8s/apis/cilium.io/v2alpha1), kube-router's annotations of nodes (cloudnativelabs/kube-router docs/bgp.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from analyzer.addresses import Address
from analyzer.facts.kubernetes import NodeFact, ObjectFact
from analyzer.model.network import Network
from analyzer.query.refusals import address_in, objects, spec_of
from analyzer.query.systems.calico import GROUP
from analyzer.source import Span

BIRD, FRR, GOBGP, CILIUM = frozenset({"bird", "calico"}), frozenset({"frr"}), frozenset({"gobgp"}), frozenset({"cilium"})
KUBE_ROUTER = "kube-router.io/peer."


@dataclass(frozen=True, slots=True)
class StatedPeer:
    """A peer that is stated: ``number`` its AS, ``own`` that of the nodes towards it (None: not stated). ``node``: for this one only (empty: several)."""

    address: Address
    number: int
    own: int | None
    programs: frozenset[str]
    at: Span
    words: str
    node: str = ""


def stated_peers(network: Network) -> dict[Address, list[StatedPeer]]:
    """The peers by address."""
    found: dict[Address, list[StatedPeer]] = {}
    for item in every(network):
        found.setdefault(item.address, []).append(item)
    return found


def every(network: Network) -> Iterator[StatedPeer]:
    """The peers of all systems."""
    for fact in objects(network, "BGPPeer", GROUP):
        yield from single(fact, ("peerIP", "asNumber", "localASNumber"), BIRD, str(spec_of(fact).get("node") or ""))
    for fact in objects(network, "BGPPeer", "metallb.io"):
        yield from single(fact, ("peerAddress", "peerASN", "myASN"), FRR)
    for kind, outer, inner in (
        ("CiliumBGPPeeringPolicy", "virtualRouters", "neighbors"),
        ("CiliumBGPClusterConfig", "bgpInstances", "peers"),
        ("CiliumBGPNodeConfig", "bgpInstances", "peers"),
    ):
        for fact in objects(network, kind, "cilium.io"):
            yield from nested(fact, outer, inner, fact.name if kind == "CiliumBGPNodeConfig" else "")
    for _, node in sorted(network.cluster.nodes.items()):
        yield from annotated(node)


def single(fact: ObjectFact, keys: tuple[str, str, str], programs: frozenset[str], node: str = "") -> Iterator[StatedPeer]:
    """An object that is one peer."""
    spec = spec_of(fact)
    address, number, own = host(spec.get(keys[0])), number_in(spec.get(keys[1])), number_in(spec.get(keys[2]))
    if address is not None and number is not None:
        yield StatedPeer(address, number, own, programs, fact.place("spec", keys[1]), f"BGPPeer {fact.name}", node)


def nested(fact: ObjectFact, outer: str, inner: str, node: str) -> Iterator[StatedPeer]:
    """Cilium's objects: instances, each with its own number and its peers."""
    for index, instance in enumerate(items(spec_of(fact).get(outer))):
        for place, peer in enumerate(items(instance.get(inner))):
            address, number = host(peer.get("peerAddress")), number_in(peer.get("peerASN"))
            if address is not None and number is not None:
                at = fact.place("spec", outer, index, inner, place, "peerASN")
                yield StatedPeer(
                    address, number, number_in(instance.get("localASN")), CILIUM, at, f"{fact.kind} {fact.name}", node
                )


def annotated(node: NodeFact) -> Iterator[StatedPeer]:
    """kube-router's annotations: lists of addresses and of numbers, side by side."""
    addresses, numbers = (node.annotations.get(KUBE_ROUTER + key, "").split(",") for key in ("ips", "asns"))
    for text, number in zip(addresses, numbers, strict=False):
        address = host(text.strip())
        if address is not None and number.strip().isdecimal():
            at = node.place("metadata", "annotations", KUBE_ROUTER + "asns")
            yield StatedPeer(address, int(number), None, GOBGP, at, f"the annotations of node {node.name}", node.name)


def host(value: object) -> Address | None:
    """An address, also with a port (``10.0.0.1:179``, ``[fd00::1]:179``) or a length (``10.0.0.1/32``) behind it."""
    text = value.partition("/")[0] if isinstance(value, str) else ""
    return address_in(text) or address_in(text.rpartition(":")[0].strip("[]"))


def number_in(value: object) -> int | None:
    """A number of an AS; 0 and what is none are not stated."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value else None


def items(value: object) -> list[Mapping[str, object]]:
    """The objects of a list."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
