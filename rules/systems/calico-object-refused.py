"""Calico would refuse one of its objects, or take it otherwise than it is written.

## What it finds
IPPools without a network, with both IPIP and VXLAN, IPIP for IPv6, blocks out of range or larger than the pool, overlapping pools; peerings with fields that exclude each other; AS numbers,
ports, VNIs, selectors, reserved and announced networks and words that are none; masks of marks with less than the four bits that Felix needs, or without those of eBPF. As warnings: pools whose network has host bits, which Calico clears,
and masks of less than eight bits.

## Why it matters
The API server of Calico refuses the object; where it came in by kubectl and a CRD, components fail or leave it out: nodes get no routes or pods no addresses.

## Example
    kind: IPPool
    spec: {cidr: 192.168.0.0/16, ipipMode: Always, vxlanMode: Always}

## How to mend
Correct the field; `calicoctl validate -f` says the same.

## Sources
projectcalico/calico libcalico-go/lib/validator/v3/validator.go, clientv3/ippool.go; felix/dataplane/driver.go for marks; projectcalico/node#193 for host bits.
"""

from collections.abc import Iterator

from analyzer.query.systems.calico import refusals
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for one in refusals(network):
        yield RULE.finding(one.at, one.message, severity=None if one.certain else Severity.WARNING)


RULE = Rule("calico-object-refused", Severity.ERROR, __doc__, check)
