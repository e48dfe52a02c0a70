"""A rolling update of pods with fixed addresses cannot begin: no address is free, and no pod may go first.

## What it finds
Deployments whose list of fixed addresses has as many entries as there are replicas, while the update strategy starts a new pod before an old one may stop (`maxUnavailable` rounds down to 0, as the default of 25% does for
up to three replicas).

## Why it matters
The new pod waits for an address, the old ones wait for the new pod: the update hangs.

## Example
    replicas: 2, ovn.kubernetes.io/ip_pool: "10.16.0.5,10.16.0.6"          # default strategy

## How to mend
Add an address to the list, set `maxUnavailable: 1`, or use the strategy Recreate.

## Sources
kubernetes pkg/controller/deployment/util/deployment_util.go (ResolveFenceposts); kubeovn/kube-ovn docs, fixed addresses.
"""

from collections.abc import Iterator

from analyzer.query.ipam.asking import CALICO_ADDRESSES, OVN_ADDRESS, OVN_POOL, entries_of, texts
from analyzer.query.ipam.updates import unavailable
from analyzer.query.wanted_pods import Workload, workloads
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for item in workloads(network):
        key, entries = listed(item)
        if item.kind == "Deployment" and entries and item.count and entries == item.count and unavailable(item) == 0:
            yield RULE.finding(
                item.annotation_place(key),
                f"{item.title} has {entries} addresses for {item.count} replicas, and its update starts a new pod before an old one stops",
                help="add an address, set maxUnavailable to 1, or use the strategy Recreate",
            )


def listed(item: Workload) -> tuple[str, int]:
    """The annotation with fixed addresses, and for how many pods it has some; none for a pool's name."""
    if OVN_POOL in item.annotations:
        return OVN_POOL, len(entries_of(item.annotations[OVN_POOL]))
    if OVN_ADDRESS in item.annotations:
        return OVN_ADDRESS, 1
    return CALICO_ADDRESSES, 1 if texts(item.annotations.get(CALICO_ADDRESSES, "[]")) else 0


RULE = Rule("rolling-update-without-address", Severity.WARNING, __doc__, check, follows=("addresses-not-enough",))
