"""Pods that will run on one node ask for the same host port.

## What it finds
Two DaemonSets that ask for one host port and may run on the same nodes, a DaemonSet and a workload that do, and a workload of several replicas with a host port (a note:
each node holds one of them at most). Ports of pods in their node's network are host ports.

## Why it matters
The scheduler places no second pod with the port on a node: it stays pending.

## Example
    ports: [{containerPort: 80, hostPort: 8080}]        # in two DaemonSets

## How to mend
Give them different host ports, or node selectors that keep them apart.

## Sources
kube-scheduler pkg/scheduler/framework/plugins/nodeports (protocol, host address and port; 0.0.0.0 meets every address); pkg/apis/core/v1/defaults.go (host ports of pods in their node's network). Workloads with different node selectors or with affinities are not compared.
Pods on their nodes: host-port-conflict.
"""

from collections.abc import Iterator
from itertools import combinations

from analyzer.query.workloads import Port, Template, workloads
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    asking = [(item, port) for item in workloads(network.cluster) for port in item.ports if wanted(port)]
    for (one, first), (two, second) in combinations(asking, 2):
        everywhere = one.replicas is None or two.replicas is None
        if one.owner is not two.owner and everywhere and same(first, second) and not apart(one, two):
            yield RULE.finding(
                second.at,
                f"{one} and {two} both ask for host port {wanted(second)}/{second.protocol} of the nodes that they share",
                related=[(first.at, f"of {one}{in_host(one)}")],
                help="give them different host ports, or node selectors that keep them apart",
            )
    for item, port in asking:
        if item.replicas is not None and item.replicas > 1:
            yield RULE.finding(
                port.at,
                f"{item} wants {item.replicas} pods with host port {wanted(port)}: each needs a node of its own",
                severity=Severity.NOTE,
            )


def wanted(port: Port) -> int:
    """The port of the node that a port asks for, 0 for none: in the node's network the container's own, where no other is given (SetDefaults_PodSpec)."""
    return port.host_port or (port.number if port.within.host_network else 0)


def in_host(item: Template) -> str:
    """That the pods are in their node's network, in words."""
    return ", which is in its node's network" if item.host_network else ""


def same(one: Port, two: Port) -> bool:
    """Whether two host ports exclude each other on a node."""
    everywhere = {"", "0.0.0.0", "::"}
    addresses = one.host_address == two.host_address or {one.host_address, two.host_address} & everywhere
    return (wanted(one), one.protocol) == (wanted(two), two.protocol) and bool(addresses)


def apart(one: Template, two: Template) -> bool:
    """Whether they may be kept on different nodes."""
    affinity = one.spec.get("affinity") or two.spec.get("affinity")
    return bool(affinity) or one.spec.get("nodeSelector") != two.spec.get("nodeSelector")


RULE = Rule("host-ports-clash", Severity.ERROR, __doc__, check)
