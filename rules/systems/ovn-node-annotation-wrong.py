"""What OVN-Kubernetes wrote on a node cannot be, is another node's, or is not what the node has.

## What it finds
In the annotations `k8s.ovn.org/…` of Nodes: an `l3-gateway-config` with an unknown mode, or with a MAC address, addresses, next hops or a VLAN that are none; a next hop outside the gateway's network;
a `node-primary-ifaddr` and `host-cidrs` that are no addresses. A chassis, a number, a MAC address or an address of the gateway, of the join or of the transit network that two nodes have. On captured
nodes: addresses that the node does not have, another MAC address of the gateway's bridge or of `ovn-k8s-mp0`. As warnings: chassis that are not in the southbound database or that are another
host's, zones and interfaces that are called after another node.

## Why it matters
OVN makes the node's gateway router and its tunnels from these. With another MAC address or next hop nothing leaves the cluster from there; with the chassis of another node packets for its pods go to that one.

## Example
    k8s.ovn.org/node-chassis-id: b1f96182-2bdd-42b6-88f9-9a1fc1c85ece      # on two nodes that are copies of one machine

## How to mend
Give the node an own `system-id` (remove /etc/openvswitch/system-id.conf and restart Open vSwitch) where machines were copied; restart ovnkube-node there, which writes the annotations anew.

## Sources
ovn-org/ovn-kubernetes go-controller/pkg/util/node_annotations.go (L3GatewayConfig.UnmarshalJSON), pkg/node/gateway_init.go; OVN northd/northd.c (find_static_route_outport).
"""

from collections.abc import Iterator

from analyzer.query.systems import ovn_nodes, ovn_nodes_together
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for one in (*ovn_nodes.refusals(network), *ovn_nodes_together.refusals(network)):
        yield RULE.finding(one.at, one.message, severity=None if one.certain else Severity.WARNING)


RULE = Rule("ovn-node-annotation-wrong", Severity.ERROR, __doc__, check)
