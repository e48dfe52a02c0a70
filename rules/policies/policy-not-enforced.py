"""The cluster's network system does not enforce policies of this kind.

## What it finds
Policies of a kind that the network system of the input (as it is recognised) leaves alone: any with plain Flannel, Calico's own kinds without Calico, Cilium's without Cilium.

## Why it matters
The objects are taken, and nothing happens: every pod stays open.

## Example
    kind: NetworkPolicy                # in a cluster with Flannel only

## How to mend
Use a network system that enforces policies (Calico beside Flannel is Canal), or write the policy in a kind that it knows.

## Sources
Kubernetes documentation, Network Policies: creating one without a controller that implements it has no effect; flannel-io/flannel README.
"""

from collections.abc import Iterator

from analyzer.query.policy_findings import unenforced
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    ignored, system = unenforced(network)
    for item in ignored:
        yield RULE.finding(
            item.at,
            f"{item.kind} {item.name} has no effect: {system} does not enforce it",
            help="use a network system that enforces it, or a kind of policy that this one knows",
        )


RULE = Rule("policy-not-enforced", Severity.WARNING, __doc__, check)
