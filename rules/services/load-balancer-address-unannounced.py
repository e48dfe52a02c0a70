"""Addresses of load balancers are given to services and announced by nobody, or there are fewer than services.

## What it finds
An IPAddressPool of MetalLB that no L2Advertisement and no BGPAdvertisement is about, or that is announced by BGP while there is no BGPPeer; more services of type LoadBalancer than the pools have addresses.

## Why it matters
The service shows an external address and nobody outside finds the way to it: no node answers ARP for it, no router learns a route. Services that come too late get none.

## Example
    kind: IPAddressPool      # and no L2Advertisement among the objects

## How to mend
Add an `L2Advertisement` (without fields it is about all pools) or a `BGPAdvertisement` with its `BGPPeer`; give the pools more addresses.

## Sources
metallb/metallb website/content/configuration/_index.md, internal/config/config.go (setL2AdvertisementsToPools, setBGPAdvertisementsToPools).
"""

from collections.abc import Iterator

from analyzer.query.systems.metallb import short, unannounced
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for pool, why, sure in unannounced(network):
        yield RULE.finding(
            pool.at,
            f"nobody announces the addresses of IPAddressPool {pool.name}: {why}",
            severity=None if sure else Severity.WARNING,
            help="add an L2Advertisement, or a BGPAdvertisement with a BGPPeer",
        )
    for entry, room, count in short(network):
        yield RULE.finding(entry.at, f"the pools of MetalLB have {room} addresses for {count} services of type LoadBalancer")


RULE = Rule("load-balancer-address-unannounced", Severity.ERROR, __doc__, check)
