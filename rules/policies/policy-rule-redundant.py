"""A policy's rule changes nothing: other rules decide the same, for every pod, address and port.

## What it finds
A rule without which exactly the same flows are admitted and denied, proved over all pods and addresses in every family; the rules that cover it are named. Where only manifests
are given: only if they cover it with any other pods and namespaces, too, as most may be in another repository. All rules that are found may be taken away together. Rules that allow what an earlier tier denies are told by policy-tiers-contradict.

## Why it matters
Rules that do nothing hide those that do, and what somebody believes that they do. A rule that never decides because an earlier one always does is often a mistake in the order.

## Example
    ingress:
    - from: [{podSelector: {}}]
    - from: [{podSelector: {matchLabels: {app: web}}}]     # already in the first

## How to mend
Take the rule away, or correct the rule before it. What is redundant may be meant for pods that are not there yet.

## Sources
Kubernetes networking/v1 (policies are additive); network-policy-api and Calico (the first rule that matches decides).
"""

from collections.abc import Iterator

from analyzer.query.anywhere import covered_anywhere
from analyzer.query.policy_findings import redundant
from analyzer.query.policy_tiers import contradictions
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    denied = {(item.policy, item.rule.at) for item in contradictions(network)}
    for item in redundant(network):
        if (item.policy, item.rule.at) in denied or not covered_anywhere(network, item.rule, [rule for _, rule in item.covers]):
            continue
        names = ", ".join(dict.fromkeys(str(policy) for policy, _ in item.covers))
        yield RULE.finding(
            item.rule.at,
            f"this rule of {item.direction} of {item.policy} changes nothing" + (f": {names} decides the same" if names else ""),
            related=[(rule.at, f"of {policy}") for policy, rule in item.covers],
            help="take the rule away, or correct those that decide the same",
        )


RULE = Rule("policy-rule-redundant", Severity.NOTE, __doc__, check)
