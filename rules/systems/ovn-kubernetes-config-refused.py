"""OVN-Kubernetes would refuse its configuration.

## What it finds
In `ovnkube.conf` of the ConfigMap `ovnkube-config`, in `net_cidr` of `ovn-config`, and in flags: `cluster-subnets` that are no networks or whose part for a node does not fit, an `encap-type` that OVN does not have, modes of the gateway and of the
node that are none, a `vlan-id`, `mtu` or `encap-port` out of range. As a warning: a `vlan-id` with the gateway mode local.

## Why it matters
ovnkube ends at its start, or nodes have no tunnels to each other: pods stay in ContainerCreating, or reach those of their own node only.

## Example
    cluster-subnets="10.128.0.0/14/12"

## How to mend
Correct the line in the ConfigMap (on OpenShift in the object Network of the operator, which writes it), and restart ovnkube's pods.

## Sources
ovn-kubernetes go-controller/pkg/config/config.go, utils.go (ParseClusterSubnetEntries); ovn controller/chassis.c; ovn-nb(5).
"""

from collections.abc import Iterator

from analyzer.query.systems.ovn_config import refusals
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for one in refusals(network):
        yield RULE.finding(one.at, one.message, severity=None if one.certain else Severity.WARNING)


RULE = Rule("ovn-kubernetes-config-refused", Severity.ERROR, __doc__, check)
