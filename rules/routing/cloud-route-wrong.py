"""The cloud's route table does not lead to the node that has the pods.

## What it finds
Routes of the cloud for a node's `podCIDR` (`aws ec2 describe-route-tables`, `az network route-table list`, `gcloud compute routes list`) that lead to another machine or to one that is gone; where other
nodes' pod networks have such routes, a pod network without one; and tables with as many routes as the default quota allows.

## Why it matters
Without a tunnel the cloud's network carries packets between nodes: pods of the node are not reached from others, or packets for them end at a machine that drops them.

## Example
    10.244.3.0/24 -> i-0aaa          # podCIDR of a node whose providerID is aws:///eu-west-1a/i-0bbb

## How to mend
Delete the stale route: the route controller of the cloud controller manager makes the right one (see its events and `NetworkUnavailable` of the node). Ask for a higher quota, or use an overlay, where the
table is full.

## Sources
kubernetes/kubernetes#40307, kubernetes/kops#4918, kubernetes-sigs/cloud-provider-azure#8175, kubernetes/cloud-provider-aws#627; cloud-provider controllers/route; EC2 API reference Route, Azure REST API Route, Compute API
routes; Amazon VPC quotas, Azure subscription limits.
"""

from collections.abc import Iterator

from analyzer.query.clouds import wrong_routes
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for one in wrong_routes(network):
        yield RULE.finding(
            one.at,
            one.words,
            related=one.related,
            note="" if one.certain else "unless tables or quotas were left out of the listing",
            help="let the cloud controller manager make the route anew, and read its events",
            certain=one.certain,
            severity=None if one.certain else Severity.WARNING,
        )


RULE = Rule("cloud-route-wrong", Severity.ERROR, __doc__, check)
