"""A policy selects no pod.

## What it finds
A policy whose selector matches no pod or workload of the input. Where only manifests are given: only if the policy's namespace has pods there, since they may be in another repository.

## Why it matters
A typo in a label makes a policy that protects nobody, and looks as if it did.

## Example
    spec: {podSelector: {matchLabels: {app: wep}}}     # the pods have app: web

## How to mend
Correct the selector, or delete the policy.

## Sources
Kubernetes documentation, Network Policies. A policy for pods that come and go (jobs) may select none for a while.
"""

from collections.abc import Iterator

from analyzer.query.policy_findings import peer_words, unselective
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for policy in unselective(network):
        yield RULE.finding(policy.at, f"{policy} selects nobody: no pod is {peer_words(policy.subject)}")


RULE = Rule("policy-selects-nothing", Severity.WARNING, __doc__, check)
