"""Terway would refuse its configuration.

## What it finds
An `eni_conf` that is no JSON, a service network that is none, words that are not known, a pool whose least is above its most.

## Why it matters
The daemon ends at its start: pods of the node stay in ContainerCreating.

## Example
    {"service_cidr": "172.16.0.0", "ip_stack": "ipv46"}

## How to mend
Correct the field, apply the ConfigMap, and restart the DaemonSet.

## Sources
AliyunContainerService/terway types/daemon/config.go.
"""

from collections.abc import Iterator

from analyzer.query.systems.terway import refusals
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for one in refusals(network):
        yield RULE.finding(one.at, one.message, severity=None if one.certain else Severity.WARNING)


RULE = Rule("terway-config-refused", Severity.ERROR, __doc__, check)
