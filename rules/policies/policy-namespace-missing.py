"""A policy stands in a namespace that is not there.

## What it finds
A policy whose namespace is none of the Namespace objects of the input, where the input has any.

## Why it matters
It cannot be applied, or it protects a namespace that nobody uses; often the namespace's name was mistyped.

## Example
    metadata: {name: deny-all, namespace: shpo}

## How to mend
Correct the namespace, or add its object. Namespaces that are made elsewhere are not in the input: ignore the rule there.

## Sources
Kubernetes API: a namespaced object needs its namespace.
"""

from collections.abc import Iterator

from analyzer.query.policy_findings import homeless
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for item in homeless(network):
        yield RULE.finding(
            item.at,
            f"{item.kind} {item.name} is in namespace {item.namespace}, which is not in the input",
            help="correct the namespace, or declare it under assume in the settings",
        )


RULE = Rule("policy-namespace-missing", Severity.NOTE, __doc__, check, absence=True)
