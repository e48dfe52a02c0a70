"""A route to a node's pod network leads to another node.

## What it finds
A route whose destination lies in one node's pod network and whose next hop is an address of a different node.

## Why it matters
The other node has no such pods: it drops the packets or sends them back, until the TTL ends.

## Example
    10.244.2.0/24 via 192.168.0.12 dev eth0    # 10.244.2.0/24 belongs to n3, 192.168.0.12 is n2

## How to mend
Correct the next hop; look for two block affinities or a stale lease of the network.

## Sources
projectcalico/calico#6486, #4471.
"""

from collections.abc import Iterator

from analyzer.query.state import node_addresses, roots
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    owners = node_addresses(network)
    networks = [(prefix, node) for node in network.cluster.nodes.values() for prefix in node.pod_cidrs]
    for root in roots(network):
        for route in root.routes.get(4, {}).get(254, ()):
            holder = next((node for prefix, node in networks if prefix.covers(route.destination)), None)
            if holder is None or route.kind != "unicast" or holder.name == root.scope.node:
                continue
            for hop in route.next_hops:
                other = owners.get(hop.via) if hop.via else None
                if other is not None and other != holder.name:
                    yield RULE.finding(
                        route.at,
                        f"{root.scope.node} sends {route.destination}, the pod network of {holder.name}, to {hop.via}, which is {other}",
                        related=[(holder.place("spec", "podCIDRs", 0), f"{holder.name} has this pod network")],
                        help=f"ip route replace {route.destination} via <an address of {holder.name}>",
                    )


RULE = Rule("pod-network-route-wrong-node", Severity.ERROR, __doc__, check)
