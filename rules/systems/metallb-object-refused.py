"""MetalLB refuses one of its objects, or it has no effect; or a service asks for an address that no pool has.

## What it finds
Pools without addresses, with what is none, with addresses of another pool or of a node; peers without AS numbers or an address, with a BFDProfile that does not exist; advertisements of pools, to peers or by nodes that do not exist;
services of type LoadBalancer that ask for an address outside of all pools, or for a pool that does not exist.

## Why it matters
MetalLB takes its configuration as a whole: while one object is refused nothing that is new has an effect. A service that asks for what is not there stays without an external address.

## Example
    addresses: [192.0.2.40-192.0.2.60]     # and in another pool 192.0.2.0/26

## How to mend
Correct the field that is named.

## Sources
metallb/metallb internal/config/config.go (poolsFor, addressPoolFromCR, peerFromCR), controller/service.go.
"""

from collections.abc import Iterator

from analyzer.query.systems.metallb import refusals
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for one in refusals(network):
        yield RULE.finding(one.at, one.message, severity=None if one.certain else Severity.WARNING)


RULE = Rule("metallb-object-refused", Severity.ERROR, __doc__, check)
