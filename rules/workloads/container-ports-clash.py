"""Two containers of one pod declare the same port.

## What it finds
Pod templates with two containers (also init containers that go on running) that declare one port with one protocol.

## Why it matters
The containers of a pod share its network: the second process that binds the port fails.

## Example
    containers: [{name: a, ports: [{containerPort: 8080}]}, {name: b, ports: [{containerPort: 8080}]}]

## How to mend
Give one of them another port. Declaring a port twice for two names in one container is no clash.

## Sources
Kubernetes documentation "Pods" (networking: containers share the network namespace). For pods of a capture the guarantee container-to-container says the same.
"""

from collections.abc import Iterator

from analyzer.query.workloads import Port, workloads
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for item in workloads(network.cluster):
        taken: dict[tuple[int, str], Port] = {}
        for port in item.ports:
            other = taken.setdefault((port.number, port.protocol), port)
            if other.container != port.container:
                yield RULE.finding(
                    port.at,
                    f"the containers {other.container} and {port.container} of {item} both declare port {port.number}/{port.protocol}",
                    related=[(other.at, f"of {other.container}")],
                    help="give one of them another port",
                )


RULE = Rule("container-ports-clash", Severity.ERROR, __doc__, check)
