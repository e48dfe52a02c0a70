"""Which pods' networks belong to which node, and which addresses nodes are known by, whatever object says so.

Node objects state ``podCIDRs``; Cilium's own objects (CiliumNode, pkg/k8s/apis/cilium.io/v2/types.go) its ``spec.ipam.podCIDRs`` and addresses; Calico's block affinities
(libcalico-go/lib/apis/crd.projectcalico.org/v1/blockaffinity.go) the blocks of a node, and its Node resources the BGP address (``spec.bgp.ipv4Address``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from analyzer.addresses import WIDTH, Address, Prefix, address
from analyzer.facts.kubernetes import NodeFact, ObjectFact
from analyzer.model.network import Network
from analyzer.query.plan import prefix, registered_address, running_pods
from analyzer.source import Span


class NodeNetwork(NamedTuple):
    """A network of a node's pods, by the node object's name."""

    node: str
    prefix: Prefix
    at: Span
    said: str


def of_nodes(network: Network, blocks: bool = True) -> list[NodeNetwork]:
    """The networks of pods that belong to one node each; ``blocks``: Calico's, too."""
    found = [
        NodeNetwork(node.name, item, node.place("spec", "podCIDRs", index), f"Node {node.name}")
        for _, node in sorted(network.cluster.nodes.items())
        for index, item in enumerate(node.pod_cidrs)
    ]
    found += cilium(network)
    return found + (list(affinities(network)) if blocks else [])


def handed_out(network: Network, node: NodeFact) -> tuple[Prefix, ...]:
    """The networks of a Node object, without those of a family in which its pods have addresses of other networks only: Weave (net/ipam of weaveworks/weave), and
    systems with pools of their own, do not look at them."""
    held = [one for pod in running_pods(network) if pod.node == node.name for one in pod.addresses]
    unused = {one.family for one in held} - {one.family for one in held if any(known.covers(one) for known in node.pod_cidrs)}
    return tuple(known for known in node.pod_cidrs if known.family not in unused)


def used(network: Network, blocks: bool = True) -> list[NodeNetwork]:
    """``of_nodes`` without those of Node objects that their pods do not use."""
    found = of_nodes(network, blocks)
    unused = {
        (node.name, prefix)
        for node in network.cluster.nodes.values()
        for prefix in set(node.pod_cidrs) - set(handed_out(network, node))
    }
    return [item for item in found if (item.node, item.prefix) not in unused]


Index = Mapping[tuple[int, int], Mapping[int, list[NodeNetwork]]]


def indexed(networks: Iterable[NodeNetwork]) -> Index:
    """Networks by family and length, then by their first bits."""
    found: dict[tuple[int, int], dict[int, list[NodeNetwork]]] = {}
    for item in networks:
        one = item.prefix
        found.setdefault((one.family, one.length), {}).setdefault(one.value >> WIDTH[one.family] - one.length, []).append(item)
    return found


def covering(index: Index, inner: Prefix) -> Iterator[NodeNetwork]:
    """The networks that hold another one."""
    for (family, length), networks in index.items():
        if family == inner.family and length <= inner.length:
            yield from networks.get(inner.value >> WIDTH[family] - length, ())


def cilium(network: Network) -> Iterator[NodeNetwork]:
    """What Cilium's nodes have of the cluster's pool; a network that the Node object states, too, is not told twice."""
    known = {(node.name, item) for node in network.cluster.nodes.values() for item in node.pod_cidrs}
    for fact in network.cluster.others:
        spec = fact.document.get("spec") if fact.kind == "CiliumNode" else None
        ipam = spec.get("ipam") if isinstance(spec, Mapping) else None
        listed = ipam.get("podCIDRs") if isinstance(ipam, Mapping) else None
        for index, text in enumerate(listed if isinstance(listed, list) else ()):
            item = prefix(str(text))
            if item is not None and (fact.name, item) not in known:
                at = fact.place("spec", "ipam", "podCIDRs", index)
                yield NodeNetwork(fact.name, item, at, f"CiliumNode {fact.name}")
        yield from of_pools(fact, ipam.get("pools") if isinstance(ipam, Mapping) else None)


def of_pools(fact: ObjectFact, pools: object) -> Iterator[NodeNetwork]:
    """The blocks that a CiliumNode has of each pool (``ipam: multi-pool``)."""
    allocated = pools.get("allocated") if isinstance(pools, Mapping) else None
    for number, entry in enumerate(allocated if isinstance(allocated, list) else ()):
        listed = entry.get("cidrs") if isinstance(entry, Mapping) else None
        for index, text in enumerate(listed if isinstance(listed, list) else ()):
            item = prefix(str(text))
            if item is not None:
                at = fact.place("spec", "ipam", "pools", "allocated", number, "cidrs", index)
                yield NodeNetwork(fact.name, item, at, f"pool {entry.get('pool')} of CiliumNode {fact.name}")


def affinities(network: Network) -> Iterator[NodeNetwork]:
    """Calico's confirmed block affinities that are not being deleted, of blocks that are not there themselves."""
    blocks = {str(spec_of(fact.document).get("cidr")) for fact in network.cluster.others if fact.kind == "IPAMBlock"}
    for fact in network.cluster.others:
        spec = spec_of(fact.document) if fact.kind == "BlockAffinity" else {}
        gone = str(spec.get("deleted")).lower() == "true" or spec.get("state") not in (None, "confirmed")
        item = prefix(str(spec.get("cidr"))) if spec and not gone and str(spec.get("cidr")) not in blocks else None
        if item is not None:
            yield NodeNetwork(str(spec.get("node")), item, fact.place("spec", "cidr"), f"BlockAffinity {fact.name}")


def spec_of(document: Mapping[str, object]) -> Mapping[str, object]:
    """An object's ``spec``; empty where it has none."""
    spec = document.get("spec")
    return spec if isinstance(spec, Mapping) else {}


def known_addresses(network: Network) -> dict[Address, str]:
    """The addresses that nodes are reached by, with the node."""
    found: dict[Address, str] = {}
    for _, node in sorted(network.cluster.nodes.items()):
        own = [registered_address(node), *(one for _, one in node.addresses)]
        found.update((one, node.name) for one in own if one is not None)
    for fact in network.cluster.others:
        for one in stated(fact.kind, spec_of(fact.document)):
            found.setdefault(one, fact.name)
    return found


def stated(kind: str, spec: Mapping[str, object]) -> Iterator[Address]:
    """The addresses in the spec of a CiliumNode, or of Calico's Node."""
    listed = spec.get("addresses") if kind == "CiliumNode" else None
    texts = (
        [item.get("ip") for item in listed if isinstance(item, Mapping) and item.get("type") in ("InternalIP", "ExternalIP")]
        if isinstance(listed, list)
        else []
    )
    bgp = spec.get("bgp") if kind == "Node" else None
    if isinstance(bgp, Mapping):
        texts += [bgp.get("ipv4Address"), bgp.get("ipv6Address")]
    for text in texts:
        try:
            yield address(str(text).partition("/")[0])
        except ValueError:
            continue
