"""The pod network overlaps the service network.

## What it finds
Any stated pod network that shares addresses with a stated service network, and the pods and services that already have such an address.

## Why it matters
Packets to such a pod are taken for a service and translated, or answered by nobody; the same address may be handed out twice.

## Example
    podSubnet: 10.0.0.0/8
    serviceSubnet: 10.96.0.0/12

## How to mend
Choose disjoint networks.

## Sources
projectcalico/calico#3626; flannel-io/flannel pkg/subnet/kube/kube.go (AcquireLease: with `--kube-subnet-mgr` pods get addresses of their node's podCIDR, which flannel's
network only has to contain, as where kops gives it pods and services together); kube-controller-manager only marks the shared blocks as used (pkg/controller/nodeipam/ipam/range_allocator.go).
"""

from collections.abc import Iterator

from analyzer.query.plan import Range, overlapping, ranges, running_pods
from analyzer.rule import Finding, Network, Prefix, Rule, Severity, Span

FLANNEL = "net-conf.json"


def check(network: Network) -> Iterator[Finding]:
    for pods, item in shared(ranges(network, "pod"), ranges(network, "service")):
        if not only_masqueraded(network, pods, item.prefix):
            certain = FLANNEL not in pods.said_by or item.prefix.covers(pods.prefix)
            both = max(pods.prefix, item.prefix, key=lambda prefix: prefix.length)
            yield RULE.finding(
                pods.at,
                f"the pod network {pods.prefix} ({pods.said_by}) overlaps the service network {item.prefix} ({item.said_by})",
                related=[(item.at, "the service network"), *inside(network, both)][:5],
                note="" if certain else "flannel's network may be wider than what the nodes are given",
                help="choose disjoint pod and service networks",
                certain=certain,
            )


def shared(pods: tuple[Range, ...], services: tuple[Range, ...]) -> Iterator[tuple[Range, Range]]:
    """The pod networks and service networks that share an address."""
    every = (*pods, *services)
    for one, other in overlapping([item.prefix for item in every]):
        if one < len(pods) <= other:
            yield every[one], every[other]


def only_masqueraded(network: Network, pods: Range, services: Prefix) -> bool:
    """Whether a network is only what flannel does not masquerade, as kops sets it up: where the nodes' own networks are stated, or flanneld asks the
    nodes for them, those count. Services that have all of it have the nodes' as well."""
    if FLANNEL not in pods.said_by or services.covers(pods.prefix):
        return False
    stated = [item.prefix for item in network.cluster.ranges if item.purpose == "pod" and FLANNEL not in item.said_by]
    every = [item.prefix for item in network.cluster.ranges if item.purpose == "service"]
    if stated:
        return not any(one.overlaps(two) for one in stated for two in every)
    return any(
        (item.system, item.key, item.value) == ("flannel", "subnets-of-nodes", "true") for item in network.cluster.settings
    )


def inside(network: Network, prefix: Prefix) -> list[tuple[Span, str]]:
    """Pods and services whose address lies in both networks."""
    pods = [
        (pod.at, f"pod {pod.namespace}/{pod.name} has {address}")
        for pod in running_pods(network)
        for address in pod.addresses
        if prefix.covers(address)
    ]
    services = [
        (fact.at, f"service {fact.namespace}/{fact.name} has {address}")
        for fact in network.cluster.services.values()
        for address in fact.cluster_addresses
        if prefix.covers(address)
    ]
    return pods[:2] + services[:2]


RULE = Rule("pod-network-overlaps-services", Severity.ERROR, __doc__, check)
