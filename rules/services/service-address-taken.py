"""Two services ask for one address or node port, or for one that the cluster does not give.

## What it finds
Services with the same `clusterIP`, the same `nodePort` (or `healthCheckNodePort`); cluster addresses outside the service network, or the first or last of it; node ports outside
the range of the API server (`--service-node-port-range` where it is given, else 30000-32767).

## Why it matters
The API server refuses the second one: what is applied last is not there.

## Example
    ports: [{port: 80, nodePort: 30080}]       # in two services

## How to mend
Leave the address or port out, so that the API server chooses, or choose another.

## Sources
pkg/registry/core/service/ipallocator and portallocator; kube-apiserver --service-node-port-range, --service-cluster-ip-range. Within one service a node port may serve TCP and UDP; of two services it is refused whatever the protocols (kubernetes#91404).
"""

import re
from collections.abc import Iterator

from analyzer.query.plan import Range
from analyzer.query.systems.kubernetes import settings
from analyzer.query.workloads import ServiceFact, listed, mapping
from analyzer.rule import Address, Finding, Network, Rule, Severity, Span

RANGE = re.compile(r"--service-node-port-range=(\d{1,5})-(\d{1,5})")
NUMBERS = re.compile(r"(\d{1,5})-(\d{1,5})")
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
            at = place_of(service, address)
            if other is not service:
                yield RULE.finding(
                    at,
                    f"{named(service)} and {named(other)} both ask for the address {address}",
                    related=[(place_of(other, address), named(other))],
                    help=HELP,
                )
            if address in single or any(item.prefix.covers(address) and not edge(item, address) for item in wide):
                continue
            if family := [item for item in ranges if item.prefix.family == address.family]:
                related = [(family[0].at, f"the service network {family[0].prefix}")]
                inside = any(item.prefix.covers(address) for item in wide)
                what = "no service gets: it begins or ends the service network" if inside else "is outside the service network"
                yield RULE.finding(at, f"{named(service)} asks for {address}, which {what}", related=related, help=HELP)


def place_of(service: ServiceFact, address: Address) -> Span:
    """Where a service asks for an address."""
    given = listed(mapping(service.document.get("spec")).get("clusterIPs"))
    found = next((index for index, text in enumerate(given) if text == str(address)), None)
    return service.place("spec", "clusterIP") if found is None else service.place("spec", "clusterIPs", found)


def edge(item: Range, address: Address) -> bool:
    """Whether an address is the first of a network, or the last one of IPv4, which the allocator leaves out."""
    size = 1 << (WIDTH[address.family] - item.prefix.length)
    return size > 2 and (
        address.value == item.prefix.value or (address.family == 4 and address.value == item.prefix.value + size - 1)
    )


def node_ports(network: Network, services: list[ServiceFact]) -> Iterator[Finding]:
    """Node ports: each of one service, whatever its protocol, and inside the range."""
    low, high, related = port_range(network)
    taken: dict[int, tuple[ServiceFact, Span]] = {}
    for service in services:
        for number, at in asked(service):
            other, there = taken.setdefault(number, (service, at))
            if other is not service:
                text = f"{named(service)} and {named(other)} both ask for node port {number}"
                yield RULE.finding(at, text, related=[(there, named(other))], help=HELP)
            if not low <= number <= high:
                text = f"{named(service)} asks for node port {number}, which is outside {low}-{high}"
                yield RULE.finding(at, text, related=related, help=HELP, certain=bool(related))


def asked(service: ServiceFact) -> Iterator[tuple[int, Span]]:
    """The node ports that a service asks for, that of its health check too, which is of the same range."""
    for index, port in enumerate(service.ports):
        if port.node_port:
            yield port.node_port, service.place("spec", "ports", index, "nodePort")
    if service.health_check_port:
        yield service.health_check_port, service.place("spec", "healthCheckNodePort")


def port_range(network: Network) -> tuple[int, int, list[tuple[Span, str]]]:
    """The range of node ports, and where it is said."""
    for pod in network.cluster.pods.values():
        for number, container in enumerate(listed(mapping(pod.document.get("spec")).get("containers"))):
            for key in ("command", "args"):
                for index, word in enumerate(listed(mapping(container).get(key))):
                    if found := RANGE.fullmatch(str(word)):
                        at = pod.place("spec", "containers", number, key, index)
                        return int(found[1]), int(found[2]), [(at, "the range of the API server")]
    for item in settings(network, "kubernetes", "node-ports"):
        if found := NUMBERS.fullmatch(item.value):
            return int(found[1]), int(found[2]), [(item.at, "the range of the API server")]
    return *USUAL, []


def named(service: ServiceFact) -> str:
    """A service in words."""
    return f"service {service.namespace}/{service.name}"


RULE = Rule("service-address-taken", Severity.ERROR, __doc__, check)
