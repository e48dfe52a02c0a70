"""Two services ask for one address or node port, or for one that the cluster does not give.

## What it finds
Services with the same `clusterIP`, the same `nodePort` and protocol, or the same load-balancer address and port; cluster addresses outside the service network; node ports outside
the range of the API server (`--service-node-port-range` where it is given, else 30000-32767).

## Why it matters
The API server refuses the second one: what is applied last is not there.

## Example
    ports: [{port: 80, nodePort: 30080}]       # in two services

## How to mend
Leave the address or port out, so that the API server chooses, or choose another.

## Sources
pkg/registry/core/service/ipallocator and portallocator; kube-apiserver --service-node-port-range, --service-cluster-ip-range. One node port may serve one port for TCP and for UDP.
"""

import re
from collections.abc import Iterator

from analyzer.query.workloads import ServiceFact, listed, mapping
from analyzer.rule import Address, Finding, Network, Rule, Severity, Span

RANGE = re.compile(r"--service-node-port-range=(\d{1,5})-(\d{1,5})")
USUAL = (30000, 32767)
WIDTH = {4: 32, 6: 128}
HELP = "leave it out, so that the API server chooses, or choose another"


def check(network: Network) -> Iterator[Finding]:
    services = [service for _, service in sorted(network.cluster.services.items())]
    yield from addresses(network, services)
    yield from node_ports(network, services)


def addresses(network: Network, services: list[ServiceFact]) -> Iterator[Finding]:
    """Cluster addresses: each once, and inside the service network."""
    ranges = [item for item in network.cluster.ranges if item.purpose == "service"]
    single = {Address(*item.prefix[:2]) for item in ranges if item.prefix.length == WIDTH[item.prefix.family]}
    wide = [item for item in ranges if item.prefix.length < WIDTH[item.prefix.family]]
    taken: dict[Address, ServiceFact] = {}
    for service in services:
        for address in service.cluster_addresses:
            other = taken.setdefault(address, service)
            at = service.place("spec", "clusterIP")
            if other is not service:
                yield RULE.finding(
                    at,
                    f"{named(service)} and {named(other)} both ask for the address {address}",
                    related=[(other.place("spec", "clusterIP"), named(other))],
                    help=HELP,
                )
            if address in single or any(item.prefix.covers(address) for item in wide):
                continue
            if family := [item for item in ranges if item.prefix.family == address.family]:
                related = [(family[0].at, f"the service network {family[0].prefix}")]
                text = f"{named(service)} asks for {address}, which is outside the service network"
                yield RULE.finding(at, text, related=related, help=HELP)


def node_ports(network: Network, services: list[ServiceFact]) -> Iterator[Finding]:
    """Node ports: each once for a protocol, and inside the range."""
    low, high, related = port_range(network)
    taken: dict[tuple[int, int], ServiceFact] = {}
    for service in services:
        for port in service.ports:
            if not port.node_port:
                continue
            other = taken.setdefault((port.node_port, port.protocol), service)
            if other is not service:
                yield RULE.finding(
                    port.at,
                    f"{named(service)} and {named(other)} both ask for node port {port.node_port}",
                    related=[(other.place("spec", "ports"), named(other))],
                    help=HELP,
                )
            if not low <= port.node_port <= high:
                yield RULE.finding(
                    port.at,
                    f"{named(service)} asks for node port {port.node_port}, which is outside {low}-{high}",
                    related=related,
                    help=HELP,
                    certain=bool(related),
                )


def port_range(network: Network) -> tuple[int, int, list[tuple[Span, str]]]:
    """The range of node ports, and where it is said."""
    for pod in network.cluster.pods.values():
        for number, container in enumerate(listed(mapping(pod.document.get("spec")).get("containers"))):
            for key in ("command", "args"):
                for index, word in enumerate(listed(mapping(container).get(key))):
                    if found := RANGE.fullmatch(str(word)):
                        at = pod.place("spec", "containers", number, key, index)
                        return int(found[1]), int(found[2]), [(at, "the range of the API server")]
    return *USUAL, []


def named(service: ServiceFact) -> str:
    """A service in words."""
    return f"service {service.namespace}/{service.name}"


RULE = Rule("service-address-taken", Severity.ERROR, __doc__, check)
