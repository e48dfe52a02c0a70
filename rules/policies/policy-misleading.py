"""A policy that is taken, and does something else than its text seems to say.

## What it finds
A policy with a part that has no effect or another one than it seems: a block with bits beyond its length, rules of a direction that `policyTypes` leaves out, equal priorities, a staged policy.

## Why it matters
Nobody is told: the policy is there, and what it was written for does not happen.

## Example
    ipBlock: {cidr: 10.1.2.3/16}        # means 10.1.0.0/16

## How to mend
Write what is meant; the message says what the policy means as it is.

## Sources
Kubernetes networking/v1 types.go; network-policy-api (priority); Calico and Cilium documentation of the field in question.
"""

from collections.abc import Iterator

from analyzer.query.policy_findings import complaints
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for item in complaints(network, rejected=False):
        yield RULE.finding(item.at, item.message)


RULE = Rule("policy-misleading", Severity.WARNING, __doc__, check)
