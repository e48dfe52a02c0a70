"""A peer of a policy's rule matches nobody.

## What it finds
A peer (`from`, `to` and their like in other kinds) that matches no pod, no node and no address. Where only manifests are given: only if the namespaces that it means have pods there.

## Why it matters
The traffic that the rule was written for is denied; or, of a rule that denies, it is not.

## Example
    ingress: [{from: [{podSelector: {matchLabels: {app: fronted}}}]}]    # the pods have app: frontend

## How to mend
Correct the labels. A peer in another namespace needs a `namespaceSelector`: a `podSelector` alone means the policy's own namespace.

## Sources
Kubernetes documentation, Network Policies (behaviour of to and from selectors).
"""

from collections.abc import Iterator

from analyzer.query.policy_findings import idle, peer_words
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for policy, rule, peer in idle(network):
        message = f"a peer of {policy} matches nobody: {peer_words(peer)}"
        yield RULE.finding(
            rule.at, message, help="correct the labels; what lives elsewhere is declared under assume in the settings"
        )


RULE = Rule("policy-peer-matches-nothing", Severity.WARNING, __doc__, check)
