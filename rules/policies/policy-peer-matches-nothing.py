"""A peer of a policy's rule matches nobody.

## What it finds
A peer (`from`, `to` and their like in other kinds) that matches no pod, no node and no address. Where only manifests are given: only if the namespaces that it means have pods there, or
if no namespace is so called or labelled and one is almost: a slip of one letter, a misspelt key, or `name: web` where the namespace `web` has no such label.

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

from analyzer.query.policy_findings import idle, near, peer_words, place_asked, told
from analyzer.rule import Finding, Network, Rule, Severity

HELP = "correct the labels; what lives elsewhere is declared under assume in the settings"


def check(network: Network) -> Iterator[Finding]:
    for policy, rule, peer in idle(network):
        meant = near(network, peer)
        yield RULE.finding(
            place_asked(network, policy, rule.at, peer, meant),
            f"a peer of {policy} matches nobody: {peer_words(peer)}" + told(meant),
            related=[(meant.at, f"did you mean {meant.meant}?")] if meant and meant.at else [],
            help=HELP,
        )


RULE = Rule("policy-peer-matches-nothing", Severity.WARNING, __doc__, check, absence=True)
