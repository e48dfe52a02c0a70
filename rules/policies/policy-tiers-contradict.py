"""A policy of a namespace allows what an earlier tier denies, all of it.

## What it finds
A rule of a namespaced policy that allows flows, all of which rules of earlier tiers deny (an AdminNetworkPolicy, a ClusterNetworkPolicy of the tier Admin, an earlier tier of Calico or Antrea) before the policy is asked. Both places are named.

## Why it matters
Who wrote the rule believes that it opens something, and it never does. Either the administrator's rule is wider than it is meant to be, or the namespace asks for what it must not have.

## Example
    # AdminNetworkPolicy: {action: Deny, from: [{namespaces: {matchLabels: {team: tools}}}]}
    ingress: [{from: [{namespaceSelector: {matchLabels: {team: tools}}}]}]     # of a NetworkPolicy: never decides

## How to mend
Take the rule of the namespace away; or let the earlier tier pass (Pass) what namespaces are to decide themselves.

## Sources
network-policy-api (AdminNetworkPolicy is asked before NetworkPolicy, and its Allow and Deny are final); Calico documentation, Policy tiers.
"""

from collections.abc import Iterator

from analyzer.query.policy_findings import peer_words
from analyzer.query.policy_tiers import contradictions
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for item in contradictions(network):
        names = " and ".join(dict.fromkeys(str(policy) for policy, _ in item.by))
        yield RULE.finding(
            item.rule.at,
            f"{item.policy} allows {item.direction} for {peer_words(item.rule.peer)}, and {names} denies all of it in an earlier tier",
            related=[(rule.at, f"of {policy}") for policy, rule in item.by],
            help="take the rule away, or let the earlier tier pass what namespaces are to decide",
        )


RULE = Rule("policy-tiers-contradict", Severity.WARNING, __doc__, check)
