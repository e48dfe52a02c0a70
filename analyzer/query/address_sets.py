"""IP sets of network systems that hold addresses of nodes, networks of pods and pools, and what each is to hold.

kube-router pkg/controllers/routing/network_routes_controller.go (``syncNodeIPSets``); cilium pkg/datapath/iptables/ipset and pkg/node/manager (InternalIPs of the other
nodes); kube-ovn pkg/daemon/gateway_linux.go (``setIPSet``); calico felix/dataplane/linux/masq_mgr.go (every pool, those of ``natOutgoing`` once more).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from analyzer.addresses import Address, Prefix
from analyzer.model.network import Namespace, Network
from analyzer.query.plan import captured_name
from analyzer.query.refusals import spec_of
from analyzer.query.systems.calico import pools
from analyzer.query.systems.kube_ovn import DEFAULT_VPC, subnets
from analyzer.source import Span


@dataclass(frozen=True, slots=True)
class Member:
    """What a set is to hold: the network or address, whose it is, and where that is said."""

    item: Prefix | Address
    whose: str
    at: Span


def pod_networks(network: Network, _: Namespace) -> Iterator[Member]:
    """The networks that nodes' pods are in."""
    for node in network.cluster.nodes.values():
        for found in node.pod_cidrs:
            yield Member(found, f"the pod network of {node.name}", node.place("spec", "podCIDRs"))


def node_addresses(network: Network, root: Namespace) -> Iterator[Member]:
    """The InternalIPs of the other nodes."""
    for node in network.cluster.nodes.values():
        if captured_name(network, node.name) != root.scope.node:
            for kind, found in node.addresses:
                if kind == "InternalIP":
                    yield Member(found, f"the InternalIP of {node.name}", node.place("status", "addresses"))


def every_pool(network: Network, _: Namespace) -> Iterator[Member]:
    """Calico's pools."""
    for pool in pools(network):
        yield Member(pool.prefix, f"IPPool {pool.fact.name}", pool.fact.place("spec", "cidr"))


def masqueraded_pools(network: Network, _: Namespace) -> Iterator[Member]:
    """Calico's pools whose pods leave with the node's address."""
    for pool in pools(network):
        if spec_of(pool.fact).get("natOutgoing") is True:
            yield Member(pool.prefix, f"IPPool {pool.fact.name}", pool.fact.place("spec", "natOutgoing"))


def overlay_subnets(network: Network, _: Namespace) -> Iterator[Member]:
    """Kube-OVN's subnets on the overlay of its default VPC."""
    for item in subnets(network):
        if item.vpc == DEFAULT_VPC and not item.vlan and spec_of(item.fact).get("provider") in (None, "", "ovn"):
            for found in item.networks:
                yield Member(found, f"subnet {item.fact.name}", item.fact.place("spec", "cidrBlock"))


@dataclass(frozen=True, slots=True)
class Known:
    """A set: what it is to hold, and what becomes of packets where it does not."""

    members: Callable[[Network, Namespace], Iterator[Member]]
    effect: str


TO_PODS = Known(pod_networks, "packets of its pods to these get the node's address")
TO_NODES = Known(node_addresses, "packets of its pods to that node get the node's address")
SETS: Mapping[str, Known] = {
    "kube-router-pod-subnets": TO_PODS,
    "inet6:kube-router-pod-subnets": TO_PODS,
    "kube-router-node-ips": TO_NODES,
    "inet6:kube-router-node-ips": TO_NODES,
    "cilium_node_set_v4": TO_NODES,
    "cilium_node_set_v6": TO_NODES,
    "ovn40subnets": Known(overlay_subnets, "the host's rules do not take its addresses for pods'"),
    "ovn60subnets": Known(overlay_subnets, "the host's rules do not take its addresses for pods'"),
    "cali40all-ipam-pools": Known(every_pool, "packets of other pools' pods to these get the node's address"),
    "cali60all-ipam-pools": Known(every_pool, "packets of other pools' pods to these get the node's address"),
    "cali40masq-ipam-pools": Known(masqueraded_pools, "its pods' packets leave the cluster with their own addresses"),
    "cali60masq-ipam-pools": Known(masqueraded_pools, "its pods' packets leave the cluster with their own addresses"),
}
