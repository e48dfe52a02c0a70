"""A policy selects no pod.

## What it finds
A policy whose selector matches no pod or workload of the input. Where only manifests are given: only if the policy's namespace has pods there (or where the policy names its namespaces: if none is so labelled, and one almost is), and no objects whose operators may make others, since pods
may be in another repository. Pods in their node's network (hostNetwork) are selected by no policy.

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

from analyzer.query.policy_findings import near, on_hosts, peer_words, place_asked, selector_place, told, unselective
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for policy in unselective(network):
        hosts = on_hosts(network, policy)
        meant = None if hosts else near(network, policy.subject)
        why = f"there are no {peer_words(policy.subject)}" + told(meant)
        if hosts:
            why = f"{hosts[0].name} is in its node's network, to which policies do not apply"
        related = [(one.at, "in its node's network") for one in hosts[:3] if one.at]
        if meant and meant.at:
            related.append((meant.at, f"did you mean {meant.meant}?"))
        yield RULE.finding(
            place_asked(network, policy, selector_place(network, policy), policy.subject, meant),
            f"{policy} selects nobody: {why}",
            related=related,
            help="" if hosts else "correct the selector, or delete the policy",
        )


RULE = Rule("policy-selects-nothing", Severity.WARNING, __doc__, check, absence=True)
