"""Several policies of a namespace select the same pods and could be one object.

## What it finds
Policies of one kind and namespace whose selectors are the same test, which say something in the same directions, stand at the same place of their tier, and only allow. Policies without any rule (deny by default), and such that are kept by different releases or tools, are left alone.

## Why it matters
What is allowed to a pod has to be read together from several objects. Who changes one of them easily misses the others.

## Example
    metadata: {name: db-from-web}    spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: […]}]}
    metadata: {name: db-from-jobs}   spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: […]}]}

## How to mend
Put the rules of all of them into one object and delete the others; or leave it where each has its own owner.

## Sources
Kubernetes documentation, Network Policies: policies are additive, what a pod may do is the union of all that select it.
"""

from collections.abc import Iterator

from analyzer.query.policy_unions import could_be_one
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for item in could_be_one(network):
        names = ", ".join(map(str, item.others))
        yield RULE.finding(
            item.first.at,
            f"{item.first} selects the same pods as {names}: one object could say what they say",
            related=[(policy.at, str(policy)) for policy in item.others],
            help="put the rules of all of them into one object",
        )


RULE = Rule("policies-could-be-one", Severity.NOTE, __doc__, check)
