"""Kube-OVN would refuse one of its objects.

## What it finds
Subnets whose `cidrBlock` is none or a single address, a gateway outside or at its edge, `excludeIps` that cannot be read, fields that exclude each other, addresses outside the subnet; IPPools of a subnet that does not exist,
with addresses outside it, or that share addresses with another pool. External gateways, ACLs, rules of NAT, MTUs (68 to 65535) and priorities of a subnet that cannot be, centralized gateways
without a node; VLANs and provider networks that are named and not there. VPCs with routes and peerings that cannot be; NAT gateways, external addresses
(IptablesEIP, OvnEip) and their rules that name what is not there, addresses outside their subnet or given twice, ports that two rules share or that a floating
address hides, an external address that is its subnet's gateway or that two floating addresses are to have, rules of OVN for nobody. Egress gateways of VPCs that are for nobody, that have fewer
addresses than replicas or addresses outside their subnet, or that name VPCs and subnets that are not there. As a warning: a `cidrBlock` with host bits, which Kube-OVN clears.

## Why it matters
The webhook or the controller refuses it: the subnet does not become ready and its pods stay in ContainerCreating.

## Example
    spec: {cidrBlock: 10.16.0.0/16, gateway: 10.17.0.1}

## How to mend
Correct the field that is named.

## Sources
kubeovn/kube-ovn pkg/util/validator.go (ValidateSubnet), pkg/controller/subnet.go (checkAndUpdateCIDR), ippool.go, dist/images/install.sh (the CRDs), pkg/webhook/vpc.go, vpc_nat_gateway.go, ovn_nat_gateway.go, pkg/controller/ovn_fip.go, vpc_egress_gateway.go.
"""

from collections.abc import Iterator

from analyzer.query.systems.kube_ovn import refusals
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for one in refusals(network):
        yield RULE.finding(one.at, one.message, severity=None if one.certain else Severity.WARNING)


RULE = Rule("kube-ovn-object-refused", Severity.ERROR, __doc__, check)
