"""Weave would refuse its range of addresses or its MTU.

## What it finds
An `IPALLOC_RANGE` that is no network, not of IPv4, smaller than four addresses (a /31 or /32) or has bits set behind its length; a `WEAVE_MTU` that is no number.

## Why it matters
The container weave ends at its start on every node: pods stay in ContainerCreating.

## Example
    - {name: IPALLOC_RANGE, value: 10.32.0.0/33}

## How to mend
Correct the variable in the DaemonSet weave-net. Peers that shared out another range keep it in /var/lib/weave: `weave reset` on each node.

## Sources
weaveworks/weave prog/weave-kube/launch.sh, prog/weaver/main.go, net/address/address.go (ParseCIDR), ipam/allocator.go (ParseCIDRSubnet, MinSubnetSize).
"""

from collections.abc import Iterator

from analyzer.query.systems.weave_range import refusals
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for one in refusals(network):
        yield RULE.finding(one.at, one.message)


RULE = Rule("weave-config-refused", Severity.ERROR, __doc__, check)
