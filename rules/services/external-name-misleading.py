"""A service of type ExternalName that leads in a circle, to an address, or nowhere.

## What it finds
ExternalName services whose name is an IP address, whose names lead back to themselves, or name a service of the cluster that is not there; and ports or a selector on them, which do nothing.

## Why it matters
An ExternalName is a CNAME record: an address is taken as a name and not resolved, a circle resolves to nothing.

## Example
    type: ExternalName
    externalName: 10.0.0.7

## How to mend
For an address use a service without a selector and an EndpointSlice; for a service of the cluster use its own name.

## Sources
Kubernetes documentation "Service", ExternalName: "similar to IPv4 addresses … are not resolved by CoreDNS"; RFC 1034 section 3.6.2 on CNAME loops.
"""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from analyzer.query.workloads import ServiceFact
from analyzer.rule import Finding, Network, Rule, Severity

Key = tuple[str, str]


def check(network: Network) -> Iterator[Finding]:
    services = network.cluster.services
    for key, service in sorted(services.items()):
        if service.type != "ExternalName":
            continue
        name = name_of(service)
        at = service.place("spec", "externalName")
        if is_address(name):
            yield RULE.finding(
                at,
                f"service {key[0]}/{key[1]} leads to the address {name}, which is taken as a name",
                help="a service without a selector, and an EndpointSlice",
            )
        elif circle(services, key):
            yield RULE.finding(at, f"service {key[0]}/{key[1]} leads back to itself: {name}")
        elif (inside := of_cluster(name)) and inside not in services and any(where == inside[0] for where, _ in services):
            yield RULE.finding(
                at,
                f"service {key[0]}/{key[1]} leads to the service {inside[0]}/{inside[1]}, which is not there",
                severity=Severity.WARNING,
            )


def name_of(service: ServiceFact) -> str:
    """The name that it leads to."""
    spec = service.document.get("spec")
    name = spec.get("externalName") if isinstance(spec, dict) else ""
    return str(name or "").rstrip(".").lower()


def is_address(name: str) -> bool:
    """Whether a name is an address."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def of_cluster(name: str) -> Key | None:
    """The service that a name of the cluster means: ``name.namespace.svc`` with any domain of the cluster behind it."""
    parts = name.split(".")
    return (parts[1], parts[0]) if len(parts) >= 3 and parts[2] == "svc" else None


def circle(services: Mapping[Key, ServiceFact], start: Key) -> bool:
    """Whether following the names comes back to the start."""
    seen: set[Key] = set()
    key: Key | None = start
    while key is not None and key in services and services[key].type == "ExternalName" and key not in seen:
        seen.add(key)
        key = of_cluster(name_of(services[key]))
    return key == start


RULE = Rule("external-name-misleading", Severity.ERROR, __doc__, check)
