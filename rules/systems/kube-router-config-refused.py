"""kube-router would refuse its flags or a node's annotations.

## What it finds
An AS number of the cluster that is not private, an encapsulation that it does not know, a port or peers that are none; flags and nodes with another number of peers' AS numbers (in flags also ports and passwords) than of peers, AS numbers
that are reserved, passwords that are not in base64; networks of services, external addresses and load balancers that are none, and a range of node ports that is none or reversed. As a warning: an overlay type that is not known, and two
service networks of one family.

## Why it matters
kube-router ends at its start: the node has no routes to other nodes' pods, no policies and no services.

## Example
    --cluster-asn=65000000

## How to mend
Correct the flag or annotation; private AS numbers are 64512 to 65535 and 4200000000 to 4294967294.

## Sources
cloudnativelabs/kube-router pkg/controllers/routing/network_routes_controller.go (NewNetworkRoutingController), bgp_peers.go (newGlobalPeers), pkg/controllers/netpol/network_policy_controller.go, docs/bgp.md.
"""

from collections.abc import Iterator

from analyzer.query.systems.kube_router import refusals
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for one in refusals(network):
        yield RULE.finding(one.at, one.message, severity=None if one.certain else Severity.WARNING)


RULE = Rule("kube-router-config-refused", Severity.ERROR, __doc__, check)
