"""The pod network has no room for the networks of more nodes, or a node's network none for its pods.

## What it finds
Pod networks that the controller manager, or Cilium's operator, cuts into fewer networks than there are nodes (an error), or into just as many (a note), also where no node has one yet; and nodes whose network has fewer addresses than
the kubelet may start pods, or will have, by the length that is stated.

## Why it matters
A node without a network gets the event CIDRNotAvailable and no pods; a node whose network is used up leaves pods in ContainerCreating.

## Example
    --cluster-cidr=10.244.0.0/22 --node-cidr-mask-size=24          # four networks, five nodes

## How to mend
Add a second, larger pod network or use longer prefixes for nodes, before the nodes join; lower `maxPods`.

## Sources
kubernetes pkg/controller/nodeipam/ipam/cidrset/cidr_set.go, cmd/kube-controller-manager/app/core.go (startNodeIpamController); kubernetes/kubernetes#114560, flannel-io/flannel#728.
"""

from collections.abc import Iterator

from analyzer.query.ipam.asking import takes_node_networks
from analyzer.query.plan import NodeFact
from analyzer.query.systems.kubernetes import allocations, cuts, settings
from analyzer.rule import Finding, Network, Rule, Severity

WIDTH = {4: 32, 6: 128}
DEFAULT_PODS = 110
OVERHEAD = 3
MOST = 5


def check(network: Network) -> Iterator[Finding]:
    nodes = len(network.cluster.nodes)
    for item in allocations(network):
        same = sum(
            one.prefix.family == item.network.prefix.family
            for one in {found.network.prefix: found.network for found in allocations(network)}.values()
        )
        sure = takes_networks(network) or "cluster-pool" in item.network.said_by
        asked = (
            not any(node.pod_cidrs for node in network.cluster.nodes.values())
            and cuts(network, item)
            and takes_node_networks(network)
        )
        if same > 1 or not nodes or item.length < item.network.prefix.length or not (sure or asked):
            continue
        if item.nodes <= nodes:
            full = item.nodes < nodes
            without = [(one.place("spec"), f"{one.name} has none") for one in network.cluster.nodes.values() if not one.pod_cidrs]
            length = [(item.mask.at, "the length of a node's network")] if item.mask else []
            yield RULE.finding(
                item.network.at,
                f"{item.network.prefix} has room for {item.nodes} networks of length {item.length}, and there are {nodes} nodes",
                related=[*length, *(without[:MOST] if full else [])],
                note="" if full else "one more node gets no network",
                help="add a second, larger pod network, or give nodes longer prefixes",
                severity=None if full else Severity.NOTE,
                certain=sure or known_system(network),
            )
    yield from small(network)
    yield from planned(network)


def takes_networks(network: Network) -> bool:
    """Whether nodes have networks of the controller manager's, and pods addresses of them. Calico's pools and Kube-OVN's subnets leave them unused."""
    return any(node.pod_cidrs for node in network.cluster.nodes.values()) and takes_node_networks(network)


def small(network: Network) -> Iterator[Finding]:
    """Nodes whose network is smaller than what the kubelet may start; a large difference of IPv6 does not matter."""
    if not takes_networks(network):
        return
    told = settings(network, "kubernetes", "max-pods")
    most = {item.value for item in told}
    if len(most) > 1 or not all(value.isdecimal() and len(value) < 7 for value in most):
        return
    pods = int(next(iter(most))) if most else DEFAULT_PODS
    for name, node in sorted(network.cluster.nodes.items()):
        allocatable = capacity(node)
        wanted = allocatable if allocatable is not None else pods
        for index, prefix in enumerate(node.pod_cidrs):
            size = prefix.last - prefix.value + 1 - OVERHEAD
            if size < wanted:
                yield RULE.finding(
                    node.place("spec", "podCIDRs", index),
                    f"{prefix} of node {name} has {max(size, 0)} addresses for pods, and the kubelet may start {wanted}",
                    related=[(told[0].at, f"{told[0].said_by} says {pods}")] if told else [],
                    help="lower maxPods, or give nodes larger networks",
                    severity=Severity.WARNING,
                )


def planned(network: Network) -> Iterator[Finding]:
    """Where no node is given: the length that nodes' networks will have. Only a network system that is known to use them makes it certain."""
    told = settings(network, "kubernetes", "max-pods")
    most = {item.value for item in told}
    if network.cluster.nodes or len(most) > 1 or not all(value.isdecimal() and len(value) < 7 for value in most):
        return
    pods = int(next(iter(most))) if most else DEFAULT_PODS
    for item in allocations(network):
        size = (
            (1 << WIDTH[item.network.prefix.family] - item.length) - OVERHEAD
            if item.length <= WIDTH[item.network.prefix.family]
            else 0
        )
        own = "cluster-pool" in item.network.said_by
        if (
            item.mask is None
            or size >= pods
            or item.length < item.network.prefix.length
            or not (own or takes_node_networks(network))
        ):
            continue
        yield RULE.finding(
            item.mask.at,
            f"nodes' networks of length {item.length} have {max(size, 0)} addresses for pods, and the kubelet may start {pods}",
            related=[(told[0].at, f"{told[0].said_by} says {pods}")] if told else [],
            help="lower maxPods, or give nodes larger networks",
            severity=Severity.WARNING,
            certain=own or known_system(network),
        )


def known_system(network: Network) -> bool:
    """Whether a network system says which pod network it has: one that takes nodes' networks, where this is asked."""
    return any(one.purpose == "pod" and one.system != "kubernetes" for one in network.cluster.ranges)


def capacity(node: NodeFact) -> int | None:
    """How many pods the kubelet says that it may start."""
    status = node.document.get("status")
    value = (
        status.get("allocatable", {}).get("pods")
        if isinstance(status, dict) and isinstance(status.get("allocatable"), dict)
        else None
    )
    return int(value) if isinstance(value, str | int) and str(value).isdecimal() and len(str(value)) < 7 else None


RULE = Rule("node-networks-exhausted", Severity.ERROR, __doc__, check)
