"""A named port of a policy's rule is another number for some of the pods that are meant.

## What it finds
A rule with a port by its name, where the pods at its destination give this name to different numbers of ports.

## Why it matters
That is what names are for; but who reads the policy sees one port, and some firewalls before the pods open one number only. Where it is not meant, the rule opens a port that nobody thought of.

## Example
    ports: [{port: http}]      # 8080 of web, and 80 of the debug pods that the selector also matches

## How to mend
Where it is meant, ignore it with that reason; else give the port one number, another name, or select fewer pods.

## Sources
Kubernetes networking/v1 types.go: "The port on the given protocol. This can either be a numerical or named port on a pod."
"""

from collections.abc import Iterator

from analyzer.query.policy_findings import differing_ports, port_place, traffic_words
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for policy, rule, port, numbers in differing_ports(network):
        shown = ", ".join(f"{number} of {who}" for number, who in numbers)
        yield RULE.finding(
            port_place(network, policy, rule, port), f"{traffic_words(port)} in this rule of {policy} is not one number: {shown}"
        )


RULE = Rule("policy-port-differs", Severity.NOTE, __doc__, check)
