"""A policy's rule is for a port by a name that no destination has.

## What it finds
A rule whose ports are names, none of which any container of the pods that are meant declares, with the rule's protocol.

## Why it matters
A name without a port matches no traffic: the rule admits nothing.

## Example
    ports: [{port: htpp}]              # the container declares http

## How to mend
Correct the name, its protocol, or declare the port at the container.

## Sources
Kubernetes networking/v1 types.go (a named port of the pods that are meant).
"""

from collections.abc import Iterator

from analyzer.query.policy_findings import port_place, traffic_words, unnamed_ports
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for policy, rule, port in unnamed_ports(network):
        yield RULE.finding(
            port_place(network, policy, rule, port),
            f"no pod that this rule of {policy} is about has {traffic_words(port)}",
            help="correct the name or its protocol, or declare the port at the container",
        )


RULE = Rule("policy-port-nobody-has", Severity.WARNING, __doc__, check)
