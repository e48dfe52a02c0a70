"""A pod's address lies outside the pod network of its node.

## What it finds
A running pod with an address outside `Node.spec.podCIDRs` of its node, where the CNI takes pods' addresses from there: flannel is in use, or other pods of
that node have addresses of its network. Calico's and Cilium's own address management do not use the node's network and are left alone.

## Why it matters
Other nodes send the address to another node or nowhere: the pod is reachable on its own node only.

## Example
    podIP: 172.17.0.4        # the node's podCIDR is 10.244.1.0/24: docker's default network answered instead of the CNI

## How to mend
See which CNI configuration is first in /etc/cni/net.d and whether `cni0` and `/run/flannel/subnet.env` are stale; recreate the pod.

## Sources
flannel-io/flannel#1437, projectcalico/calico#6243, containernetworking/cni#585.
"""

from collections.abc import Iterator

from analyzer.query.plan import PodFact, address_place, annotated, running_pods
from analyzer.rule import Address, Finding, Network, Prefix, Rule, Severity

OWN_PLANS = ("projectcalico.org/", "io.cilium.network", "network.cilium.io/")


def check(network: Network) -> Iterator[Finding]:
    flannel = annotated(network, "flannel.alpha.coreos.com/") or any(files.subnet_file for files in network.files.values())
    if not flannel and any(annotated(network, prefix) for prefix in OWN_PLANS):
        return
    inside: set[str] = set()
    outside: list[tuple[PodFact, int, Prefix]] = []
    for pod in running_pods(network):
        for index, address in enumerate(pod.addresses):
            networks = wanted(network, pod.node, address)
            if within(networks, address):
                inside.add(pod.node)
            elif networks:
                outside.append((pod, index, networks[0]))
    for pod, index, expected in outside:
        if flannel or pod.node in inside:
            yield RULE.finding(
                address_place(pod, index),
                f"pod {pod.namespace}/{pod.name} has {pod.addresses[index]}, outside {expected}, the pod network of its node {pod.node}",
                related=[(network.cluster.nodes[pod.node].place("spec", "podCIDRs", 0), f"the pod network of {pod.node}")],
                help="see which CNI configuration comes first on the node, and recreate the pod",
            )


def wanted(network: Network, node: str, address: Address) -> list[Prefix]:
    """The node's pod networks of the address's family."""
    fact = network.cluster.nodes.get(node)
    return [one for one in fact.pod_cidrs if one.family == address.family] if fact else []


def within(networks: list[Prefix], address: Address) -> bool:
    """Whether one of the networks holds the address."""
    return any(one.covers(address) for one in networks)


RULE = Rule("pod-outside-node-network", Severity.ERROR, __doc__, check)
