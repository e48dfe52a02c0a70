"""Pods' packets are routed by a node whose network interface the cloud lets pass the machine's own packets only.

## What it finds
A route of a node, or of the cloud, to pods' addresses by way of a node's address, without a tunnel, where the cloud checks source and destination at that node's interface (EC2 `SourceDestCheck`,
Azure's `enableIPForwarding` off, Google's `canIpForward` off, OpenStack's port security without an allowed address pair), and the addresses are not delegated to the interface.

## Why it matters
The cloud's network drops what is neither from nor for the addresses that it knows of an interface. Nothing on the nodes shows it: routes are right, packets leave, and do not arrive.
Pods on one node reach each other, pods on different nodes do not.

## Example
    10.244.2.0/24 via 10.0.0.12 dev eth0          # on a node; and of the interface with 10.0.0.12:
    "SourceDestCheck": true

## How to mend
Switch the check off for every node's interface (`aws ec2 modify-network-interface-attribute --no-source-dest-check`), or allow the pods' network (`openstack port set
--allowed-address ip-address=10.244.0.0/16`, `az network nic update --ip-forwarding true`); else use the network system's overlay (VXLAN, IPIP).

## Sources
projectcalico/calico#1073, cloudnativelabs/kube-router#854, kubernetes/cloud-provider-openstack#2482; EC2 API reference NetworkInterface, Networking API v2 ports, Azure REST API NetworkInterface, Compute API instances.
"""

from collections.abc import Iterator

from analyzer.query.clouds import Way, checked
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for one in checked(network):
        first = one.routes[0]
        yield RULE.finding(
            one.fact.at,
            f"the cloud drops pods' packets at {one.fact.name} of {one.node}: it checks source and destination, and {sender(first)} "
            f"{first.destination} there",
            related=[(way.at, f"{sender(way)} {way.destination} to {one.node} without a tunnel") for way in one.routes[:3]],
            help=f"switch the check of source and destination off for {one.fact.name}, or allow {first.destination} there",
        )


def sender(way: Way) -> str:
    """Who routes pods' packets."""
    return f"{way.sender} routes" if way.sender else "its own route table leads"


RULE = Rule("cloud-drops-pod-packets", Severity.ERROR, __doc__, check)
