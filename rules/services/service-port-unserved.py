"""No container of the pods behind a service declares the port that it leads to.

## What it finds
A Service whose `targetPort` is a name that no container of its pods gives a port, or one that only some of them do (an error: those pods get no traffic), and
a number that none of them declares although they declare others (a note: declaring ports is information only, the process may listen all the same).

## Why it matters
A pod without the named port is left out of the endpoints of that port; behind a wrong number nothing listens, and connections are refused.

## Example
    ports: [{port: 80, targetPort: http}]      # the container calls it web

## How to mend
Use the name or the number that the container declares.

## Sources
Kubernetes API reference ServicePort.targetPort; pkg/controller/util/endpoint FindPort (a name is looked up by name and protocol in the containers, and in the
init containers that go on running).
"""

from collections.abc import Iterator

from analyzer.query.workloads import PROTOCOLS, ServiceFact, ServicePort, Template, wanted
from analyzer.rule import Finding, Network, Rule, Severity, Span

NAMES = {6: "TCP", 17: "UDP", 132: "SCTP"}


def check(network: Network) -> Iterator[Finding]:
    there = wanted(network)
    for _, service in sorted(network.cluster.services.items()):
        found = there.selected(service) if service.type != "ExternalName" else []
        for number, port in enumerate(service.ports if found else ()):
            at = service.place("spec", "ports", number, "targetPort")
            yield from named(service, port, found, at) if isinstance(port.target, str) else numbered(service, port, found, at)


def named(service: ServiceFact, port: ServicePort, found: list[Template], at: Span) -> Iterator[Finding]:
    """A name that some or all of the pods do not have."""
    protocol = NAMES.get(port.protocol, "")
    without = [item for item in found if not any((one.name, one.protocol) == (port.target, protocol) for one in item.ports)]
    if not without:
        return
    first = without[0]
    has = ", ".join(sorted({one.name for one in first.ports if one.name})) or "no named port"
    who = f"{first}" if len(without) == 1 else f"{first} and {len(without) - 1} more"
    yield RULE.finding(
        at,
        f"service {service.namespace}/{service.name} leads to port {port.target}/{protocol}, which {who} does not have",
        related=[(first.ports[0].at if first.ports else first.place("containers"), f"declares {has}")],
        help="use a name that the containers declare, with its protocol",
    )


def numbered(service: ServiceFact, port: ServicePort, found: list[Template], at: Span) -> Iterator[Finding]:
    """A number that none of the pods declares."""
    protocol = NAMES.get(port.protocol, "")
    target = port.target or port.port
    declared = [one for item in found for one in item.ports]
    refused = isinstance(target, int) and not 0 < target < 1 << 16  # The error of manifest-value-refused says enough.
    if (
        refused
        or protocol not in PROTOCOLS
        or not declared
        or any((one.number, one.protocol) == (target, protocol) for one in declared)
    ):
        return
    first = declared[0]
    yield RULE.finding(
        at,
        f"service {service.namespace}/{service.name} leads to port {target}/{protocol}, which no container of {found[0]} declares",
        related=[(first.at, f"declares {first.number}/{first.protocol}")],
        severity=Severity.NOTE,
        certain=False,
    )


RULE = Rule("service-port-unserved", Severity.ERROR, __doc__, check)
