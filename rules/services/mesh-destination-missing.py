"""A VirtualService or DestinationRule of Istio is about a service, port or subset that is not there.

## What it finds
Destinations of VirtualServices (`route`, `mirror`, `mirrors` of http, tcp and tls) whose service is not in the input (where the input holds services of that namespace) or has no such port, or whose subset no
DestinationRule for the host names (where the input holds one for it); and DestinationRules for such services, as warnings. Only short names and names that end in `.svc` or `.svc.cluster.local` are looked at, and
none that a ServiceEntry is for.

## Why it matters
Proxies answer requests to such a destination with 503; a DestinationRule for no service changes nothing.

## Example
    route: [{destination: {host: reviews, subset: v2}}]        # the DestinationRule for reviews has v1 and v3

## How to mend
Correct the name. A short name is one of the object's own namespace: name others as `reviews.shop.svc.cluster.local`.

## Sources
Istio API reference, Destination (host: short names are of the VirtualService's own namespace; subset: of the DestinationRule for the host) and DestinationRule; istio/istio pkg/config/model.go (ResolveShortnameToFQDN),
pkg/config/analysis/analyzers/virtualservice/destinationhosts.go (IST0101) and destinationrules.go.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from analyzer.query.workloads import Key, OtherObjectFact, is_number, listed, mapping, others
from analyzer.rule import Finding, Network, Rule, Severity

GROUP = "networking.istio.io/"
LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
SHORT = re.compile(LABEL)
FULL = re.compile(rf"(?P<name>{LABEL})\.(?P<namespace>{LABEL})\.svc(\.cluster\.local)?")


class Service(NamedTuple):
    """A service, by its namespace and name."""

    namespace: str
    name: str

    @property
    def host(self) -> str:
        """Its whole name."""
        return f"{self.namespace}/{self.name}"


def check(network: Network) -> Iterator[Finding]:
    known, subsets, entries = network.cluster.services, subsets_of(network), entry_hosts(network)
    spaces = {namespace for namespace, _ in known}
    for item, place, said in destinations(network):
        service = service_of(said.get("host"), item)
        if service is None or service in entries or service.namespace not in spaces:
            continue
        if service not in known:
            yield missing(item, place, service)
        elif item.kind == "VirtualService":
            yield from of_port(network, item, place, service)
            if isinstance(subset := said.get("subset"), str) and subset and subset not in subsets.get(service, {subset}):
                yield lacking(item, place, service, subset, subsets[service])


def missing(item: OtherObjectFact, place: tuple[Key, ...], service: Service) -> Finding:
    """A service that is not there."""
    verb = "is for" if item.kind == "DestinationRule" else "leads to"
    text = f"{item.kind} {item.namespace or 'default'}/{item.name} {verb} the service {service.host}, which is not there"
    severity = Severity.WARNING if item.kind == "DestinationRule" else None
    return RULE.finding(item.place(*place, "host"), text, help="correct the name, or add the service", severity=severity)


def of_port(network: Network, item: OtherObjectFact, place: tuple[Key, ...], service: Service) -> Iterator[Finding]:
    """A port that the service does not have."""
    fact = network.cluster.services[service]
    port = mapping(mapping(value_at(item, place)).get("port")).get("number")
    if is_number(port) and fact.type != "ExternalName" and port not in (offered := {each.port for each in fact.ports}):
        has = ", ".join(map(str, sorted(offered))) or "none"
        text = f"{item.kind} {item.namespace or 'default'}/{item.name} leads to port {port} of the service {service.host}, which has no such port"
        related = [(fact.place("spec", "ports"), f"it has {has}")]
        at = item.place(*place, "port", "number")
        yield RULE.finding(at, text, related=related, help="name a port of the service, not of its containers")


def lacking(
    item: OtherObjectFact, place: tuple[Key, ...], service: Service, subset: str, known: Mapping[str, OtherObjectFact]
) -> Finding:
    """A subset that no DestinationRule names."""
    text = f"{item.kind} {item.namespace or 'default'}/{item.name} leads to the subset {subset} of {service.host}, which no DestinationRule names"
    rules = {rule.at: rule for rule in known.values()}
    has = ", ".join(sorted(name for name in known if name)) or "none"
    return RULE.finding(
        item.place(*place, "subset"),
        text,
        related=[(rule.place("spec", "host"), f"the subsets are {has}") for rule in rules.values()][:3],
        help="name one of the subsets, or add it to the DestinationRule",
    )


def destinations(network: Network) -> Iterator[tuple[OtherObjectFact, tuple[Key, ...], Mapping[str, Any]]]:
    """What names a host, with its place: the destinations of VirtualServices, and DestinationRules."""
    for item in others(network, "VirtualService", "DestinationRule"):
        if not item.api_version.startswith(GROUP):
            continue
        places = [("spec",)] if item.kind == "DestinationRule" else list(places_of(item))
        yield from ((item, place, mapping(value_at(item, place))) for place in places)


def places_of(item: OtherObjectFact) -> Iterator[tuple[Key, ...]]:
    """The places of the destinations of a VirtualService."""
    spec = mapping(item.document.get("spec"))
    for protocol in ("http", "tcp", "tls"):
        for number, rule in enumerate(map(mapping, listed(spec.get(protocol)))):
            path: tuple[Key, ...] = ("spec", protocol, number)
            for key in ("route", "mirrors"):
                yield from ((*path, key, index, "destination") for index, _ in enumerate(listed(rule.get(key))))
            if rule.get("mirror"):
                yield (*path, "mirror")


def service_of(host: object, item: OtherObjectFact) -> Service | None:
    """The service that a host is; None where it may be something else."""
    if not isinstance(host, str):
        return None
    if SHORT.fullmatch(host):
        return Service(item.namespace or "default", host)
    found = FULL.fullmatch(host)
    return Service(found["namespace"], found["name"]) if found else None


def subsets_of(network: Network) -> dict[Service, dict[str, OtherObjectFact]]:
    """The subsets of each service that there is a DestinationRule for, with the rule; one of all its subsets is by the empty name. Those of rules for many
    hosts (``*.shop.svc.cluster.local``) count for each."""
    found: dict[Service, dict[str, OtherObjectFact]] = {}
    many: dict[str, OtherObjectFact] = {}
    for item in others(network, "DestinationRule"):
        spec = mapping(item.document.get("spec"))
        names = {str(mapping(one).get("name")): item for one in listed(spec.get("subsets"))}
        service = service_of(spec.get("host"), item)
        if service is not None:
            found.setdefault(service, {}).update({"": item, **names})
        else:
            many |= names
    return {service: {**many, **names} for service, names in found.items()}


def entry_hosts(network: Network) -> set[Service]:
    """The services that ServiceEntries are for."""
    entries = others(network, "ServiceEntry")
    hosts = ((item, host) for item in entries for host in listed(mapping(item.document.get("spec")).get("hosts")))
    return {service for item, host in hosts if (service := service_of(host, item)) is not None}


def value_at(item: OtherObjectFact, path: tuple[Key, ...]) -> object:
    """The value at a path."""
    found: object = item.document
    for key in path:
        found = listed(found)[key] if isinstance(key, int) else mapping(found).get(key)
    return found


RULE = Rule("mesh-destination-missing", Severity.ERROR, __doc__, check, absence=True)
