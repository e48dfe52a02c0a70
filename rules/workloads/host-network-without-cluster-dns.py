"""A pod in its node's network asks the node's resolver, not the cluster's.

## What it finds
Pods and workloads with `hostNetwork: true` whose `dnsPolicy` is `ClusterFirst` (the default), or is said so.

## Why it matters
For such pods `ClusterFirst` means `Default`: names of services cannot be resolved.

## Example
    hostNetwork: true             # and no dnsPolicy

## How to mend
Say `dnsPolicy: ClusterFirstWithHostNet`, or `Default` where only names outside the cluster are asked for.

## Sources
Kubernetes documentation "DNS for Services and Pods", pod's DNS policy; pkg/kubelet/network/dns getPodDNSType. Pods that were made for the node itself (DaemonSets, static pods, kube-system) are left out.
"""

from collections.abc import Iterator

from analyzer.query.workloads import PodFact, Template, pods_wanted
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for item in pods_wanted(network):
        policy = item.spec.get("dnsPolicy") or "ClusterFirst"
        if item.host_network and policy == "ClusterFirst" and not of_the_node(item):
            yield RULE.finding(
                item.place("hostNetwork"),
                f"{item} is in its node's network and cannot resolve names of services: its DNS policy ClusterFirst means Default there",
                help="dnsPolicy: ClusterFirstWithHostNet",
            )


def of_the_node(item: Template) -> bool:
    """Whether it was made for the node itself: one on each, a static pod, or one of the cluster's own."""
    made_by = item.owner.owner[0] if isinstance(item.owner, PodFact) and item.owner.owner else ""
    static = made_by == "Node" or "kubernetes.io/config.mirror" in item.owner.annotations
    return static or item.replicas is None or made_by == "DaemonSet" or item.namespace == "kube-system"


RULE = Rule("host-network-without-cluster-dns", Severity.NOTE, __doc__, check)
