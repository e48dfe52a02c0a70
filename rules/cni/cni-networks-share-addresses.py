"""Two CNI networks hand out the same addresses, or one does so on every node.

## What it finds
Ranges of host-local or whereabouts that overlap in two networks whose records do not see each other: host-local keeps a record for each network name and node, whereabouts for each
`network_name` unless overlapping ranges are off. Told are networks of one bridge or device, and networks
that the node routes; bridges that keep to themselves may use the same addresses. And host-local on a network that all nodes share (macvlan, ipvlan, vlan; a bridge with an uplink is not told).

## Why it matters
Two pods get one address. On a shared segment their neighbours reach the one or the other by chance.

## Example
    NetworkAttachmentDefinition a: macvlan, host-local 192.168.1.0/24        # on three nodes

## How to mend
Give each network its own range; use whereabouts or DHCP where several nodes share a segment.

## Sources
containernetworking/plugins plugins/ipam/host-local/backend/disk/backend.go; k8snetworkplumbingwg/whereabouts pkg/storage/kubernetes/ipam.go.
"""

from collections.abc import Iterator

from analyzer.query.cni.checks import active
from analyzer.query.cni.networks import Pool, overlapping, pools, share_no_record
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    found = [pool for config in active(network) for pool in pools(config)]
    told: set[int] = set()
    for one, two in overlapping(found):
        if id(two) not in told and one.config is not two.config and one.meets(two) and share_no_record(one, two):
            told.add(id(two))
            yield RULE.finding(
                two.at,
                f"{two.config.title} hands out {two.range}, and {one.config.title} hands out {one.range}: neither knows what the other gave",
                related=[(one.at, f"{one.range} of network {one.config.name!r}")],
                help="give each network its own range",
            )
    if len(network.cluster.nodes) > 1:
        yield from on_every_node(found)


def on_every_node(found: list[Pool]) -> Iterator[Finding]:
    """Attachments with host-local on a segment that nodes share."""
    for pool in found:
        if pool.record == "host-local" and pool.shared_segment and not pool.config.node:
            yield RULE.finding(
                pool.at,
                f"{pool.config.title}: every node hands out {pool.range} by itself, on a segment that the nodes share",
                help="use whereabouts or dhcp, which give an address once in the cluster",
                severity=Severity.WARNING,
            )


RULE = Rule("cni-networks-share-addresses", Severity.ERROR, __doc__, check)
