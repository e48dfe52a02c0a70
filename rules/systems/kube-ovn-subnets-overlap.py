"""Two subnets of one Kube-OVN VPC share addresses.

## What it finds
Subnets of the same VPC and VLAN whose networks overlap. Subnets of different VPCs may use the same addresses.

## Why it matters
Two pods get one address, and the VPC's router knows one of the two networks only.

## Example
    Subnet a: 10.20.0.0/16, vpc: tenant          Subnet b: 10.20.8.0/24, vpc: tenant

## How to mend
Give each subnet of a VPC its own network, or put one of them into another VPC.

## Sources
kubeovn/kube-ovn pkg/util/validator.go (ValidateCidrConflict).
"""

from collections.abc import Iterator

from analyzer.query.systems.kube_ovn import overlapping
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for one, two, first, second in overlapping(network):
        yield RULE.finding(
            two.fact.place("spec", "cidrBlock"),
            f"{second} of subnet {two.fact.name} overlaps {first} of subnet {one.fact.name} in VPC {two.vpc}",
            related=[(one.fact.place("spec", "cidrBlock"), f"{first} of subnet {one.fact.name}")],
            help="give each subnet of a VPC its own network",
        )


RULE = Rule("kube-ovn-subnets-overlap", Severity.ERROR, __doc__, check)
