"""Flannel would refuse its configuration, or not heed it.

## What it finds
A `net-conf.json` that is no JSON, whose networks are none or of another family, with an unknown backend, or with options of another type or out of range. As warnings: no backend type (flannel then takes
udp), host bits in a network, an IPv6 network that is not switched on.

## Why it matters
flanneld ends at its start: no node gets a tunnel, and pods stay in ContainerCreating. What is not heeded gives another network than the one that is written.

## Example
    {"Network": "10.244.0.0/16", "Backend": {"Type": "vlxan"}}

## How to mend
Correct the field, apply the ConfigMap, and restart the DaemonSet.

## Sources
flannel-io/flannel pkg/subnet/config.go (ParseConfig, parseBackendType), pkg/backend/vxlan/vxlan.go, pkg/backend/wireguard.
"""

from collections.abc import Iterator

from analyzer.query.systems.flannel import refusals
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for one in refusals(network):
        yield RULE.finding(one.at, one.message, severity=None if one.certain else Severity.WARNING)


RULE = Rule("flannel-config-refused", Severity.ERROR, __doc__, check)
