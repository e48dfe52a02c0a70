"""A policy is never asked: earlier tiers decide over every flow before it.

## What it finds
A policy in a later tier, of which no flow of any pod that it selects is left undecided when its turn comes, in a direction. Rules that change nothing are told by policy-rule-redundant, and those policies are not told again here: what is left is mostly policies that isolate.

## Why it matters
A policy that denies by default and is never asked protects nobody, and looks as if it did. A policy behind a tier that ends in a deny opens nothing.

## Example
    # AdminNetworkPolicy: ingress: [{action: Allow, from: [{namespaces: {}}, {…}]}] decides over all
    spec: {podSelector: {}}     # of a NetworkPolicy: deny by default, never asked

## How to mend
Let the earlier tier pass (Pass) what later policies are to decide, narrow its rules, or delete the policy.

## Sources
network-policy-api (tiers are asked in their order; Allow and Deny are final); Calico documentation, Policy tiers (a tier with a policy for a pod ends in a deny unless it passes).
"""

from collections.abc import Iterator

from analyzer.query.policy_tiers import never_asked
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for item in never_asked(network):
        names = ", ".join(dict.fromkeys(map(str, item.after)))
        yield RULE.finding(
            item.policy.at,
            f"{item.policy} is never asked about {item.direction}: earlier tiers decide all of it ({names})",
            related=[(policy.at, str(policy)) for policy in item.after],
            help="let the earlier tier pass what later ones are to decide, narrow its rules, or delete the policy",
        )


RULE = Rule("policy-never-asked", Severity.WARNING, __doc__, check)
