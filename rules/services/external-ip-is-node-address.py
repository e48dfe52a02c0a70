"""An external address of a service is a node's own address.

## What it finds
`spec.externalIPs` or a load-balancer address of a Service that equals an address of a Node.

## Why it matters
Traffic to that node on the service's port goes to the service. In mode ipvs the address is bound to kube-ipvs0 on *every* node: the other nodes then believe that it
is theirs, and the node goes NotReady.

## Example
    externalIPs: [192.168.0.11]      # the InternalIP of n1

## How to mend
Use an address that no node has.

## Sources
kubernetes/kubernetes#127410, #75290, #93175, kubernetes-sigs/kubespray#4993.
"""

from collections.abc import Iterator

from analyzer.query.state import node_addresses
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    nodes = node_addresses(network)
    for key, service in sorted(network.cluster.services.items()):
        for address in (*service.external_addresses, *service.load_balancer_addresses):
            if (node := nodes.get(address)) is not None:
                yield RULE.finding(
                    service.place("spec", "externalIPs", 0),
                    f"service {key[0]}/{key[1]} has the external address {address}, which is the address of node {node}",
                    related=[(network.cluster.nodes[node].place("status", "addresses"), f"{node} has {address}")],
                    help="use an address that no node has",
                )


RULE = Rule("external-ip-is-node-address", Severity.ERROR, __doc__, check)
