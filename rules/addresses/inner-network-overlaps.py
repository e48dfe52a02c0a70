"""A network that a system uses inside overlaps pods, services, nodes, or load balancers' addresses overlap them.

## What it finds
The join and transit networks of OVN-Kubernetes and Kube-OVN, and pools of addresses for load balancers (Cilium, kube-router), that overlap the pod or service network or hold a node's address; and a join
network of Kube-OVN with fewer addresses than there are nodes.

## Why it matters
The system's router keeps such packets to itself: those pods, services or nodes are not reached. A load balancer's address that is a pod's is answered by the wrong one.

## Example
    v4-join-subnet="100.64.0.0/16"          # and nodes are in 100.64.0.0/10

## How to mend
Give the inner network addresses that nobody else has; OVN-Kubernetes' is changed in the Network operator's configuration.

## Sources
ovn-kubernetes/ovn-kubernetes go-controller/pkg/config/config.go (the check of overlapping subnets); kubeovn/kube-ovn pkg/controller/subnet.go.
"""

from collections.abc import Iterator

from analyzer.query.plan import Range, node_networks, ranges
from analyzer.query.state import node_addresses
from analyzer.rule import Finding, Network, Rule, Severity

WORDS = {"join": "the inner network", "balancer": "the load balancers' addresses"}


def check(network: Network) -> Iterator[Finding]:
    others = [*ranges(network, "pod"), *ranges(network, "service")]
    for purpose, words in WORDS.items():
        for item in ranges(network, purpose):
            other = next((one for one in others if one.prefix.overlaps(item.prefix)), None)
            if other is not None:
                yield RULE.finding(
                    item.at,
                    f"{words} {item.prefix} of {item.said_by} overlaps the {other.purpose} network {other.prefix}",
                    related=[(other.at, f"{other.said_by} says {other.prefix}")],
                    help="use addresses that nobody else has",
                )
            elif purpose == "join":
                yield from nodes(network, item)
                yield from too_small(network, item)


def nodes(network: Network, item: Range) -> Iterator[Finding]:
    """Nodes' addresses and networks inside."""
    held = next(
        (f"{address} of node {name}" for address, name in sorted(node_addresses(network).items()) if item.prefix.covers(address)),
        "",
    )
    on_link = next((f"{one.prefix} of {one.interface}" for one in node_networks(network) if one.prefix.overlaps(item.prefix)), "")
    if held or on_link:
        yield RULE.finding(item.at, f"the inner network {item.prefix} of {item.said_by} overlaps {held or on_link}")


def too_small(network: Network, item: Range) -> Iterator[Finding]:
    """Kube-OVN gives each node one address of its join network; network, gateway and broadcast are taken."""
    room, count = item.prefix.last - item.prefix.value - 2, len(network.cluster.nodes)
    if item.system == "kube-ovn" and room < count:
        yield RULE.finding(
            item.at, f"the inner network {item.prefix} of {item.said_by} has {max(room, 0)} addresses for {count} nodes"
        )


RULE = Rule("inner-network-overlaps", Severity.ERROR, __doc__, check)
