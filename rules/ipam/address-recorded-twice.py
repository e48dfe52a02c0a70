"""Address management has given one address to two.

## What it finds
One address in two records that must not share addresses: two IPs or Vips of Kube-OVN in one VPC, two pools of whereabouts of one network (possible only: segments may be apart), the used addresses of two Cilium nodes, a block
of Calico and another, and leases of host-local for one network on two nodes.

## Why it matters
Two pods have one address: each gets a part of the other's packets.

## Example
    IP web-1.shop: v4IpAddress 10.16.0.9          IP db-0.shop: v4IpAddress 10.16.0.9

## How to mend
Delete one of the two pods, and its record where that stays behind.

## Sources
kubeovn/kube-ovn pkg/ipam (ErrConflict); k8snetworkplumbingwg/whereabouts OverlappingRangeIPReservation; calicoctl ipam check.
"""

from collections.abc import Iterator

from analyzer.query.ipam.records import Record, records
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    found: dict[tuple[str, object], Record] = {}
    for item in records(network):
        other = found.setdefault((item.space, item.address), item)
        if other is not item and differ(item, other):
            yield RULE.finding(
                item.at,
                f"{item.address} is recorded for {words(item)} and for {words(other)}",
                related=[(other.at, other.title)],
                help="delete one of the two, and its record",
                certain=not item.space.startswith("whereabouts/"),
            )


def differ(one: Record, two: Record) -> bool:
    """Whether two records are of two holders: a pod may stand in several of whereabouts' pools, and a lease is of its node."""
    if one.space.startswith("host-local/"):
        return one.node != two.node
    return (one.pod, one.holder if one.pod is None else "", one.node) != (
        two.pod,
        two.holder if two.pod is None else "",
        two.node,
    )


def words(item: Record) -> str:
    """Who has the address."""
    who = "/".join(item.pod) if item.pod else item.holder or "somebody"
    return f"{who} ({item.title})"


RULE = Rule("address-recorded-twice", Severity.ERROR, __doc__, check)
