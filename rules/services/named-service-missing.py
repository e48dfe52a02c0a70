"""A container is told the name of a service that is not there, or a port that the service does not have.

## What it finds
Names of the form `NAME.NAMESPACE.svc`, alone or in URLs, in environment variables, commands, arguments and ConfigMaps, where the input holds services of that namespace, and none of this name; with a
port, where the service does not have it. Only if nothing in the namespace is of a kind whose operator may make services.

## Why it matters
The program asks for a name that does not resolve, or connects to a port that nobody translates: the connection times out.

## Example
    env: [{name: DATABASE, value: "postgres://db.shop.svc:5433"}]        # the service db has port 5432

## How to mend
Correct the name or the port, or add the service. What lives elsewhere is declared under `assume` in the settings.

## Sources
Kubernetes DNS-based service discovery, specification 1.1.0 (github.com/kubernetes/dns, docs/specification.md): only services and their pods have such names. A headless service's name leads to its pods'
own ports, so its ports are not looked at.
"""

from collections.abc import Iterator
from difflib import get_close_matches

from analyzer.query.named_services import API_SERVER, Named, complete, named
from analyzer.query.workloads import ServiceFact
from analyzer.rule import Finding, Network, Rule, Severity

SHOWN = 3


def check(network: Network) -> Iterator[Finding]:
    services = network.cluster.services
    found: dict[tuple[str, str, int], list[Named]] = {}
    for item in named(network):
        service = services.get((item.namespace, item.name))
        if complete(network, {item.namespace}) and (item.namespace, item.name) != API_SERVER:
            if service is None:
                found.setdefault((item.namespace, item.name, 0), []).append(item)
            elif item.port and not has_port(service, item.port):
                found.setdefault((item.namespace, item.name, item.port), []).append(item)
    for (namespace, name, port), items in found.items():
        yield of_service(network, services.get((namespace, name)), port, items)


def has_port(service: ServiceFact, port: int) -> bool:
    """Whether a service has a port, or leads to those of others."""
    return service.headless or service.type == "ExternalName" or any(one.port == port for one in service.ports)


def of_service(network: Network, service: ServiceFact | None, port: int, items: list[Named]) -> Finding:
    """What is wrong with a name, at the first place that has it."""
    first, others = items[0], items[1:]
    which = f"the service {first.namespace}/{first.name}"
    if service is None:
        text, help = f"{first.said_by} names {which}, which is not there", MISSING
        near = get_close_matches(first.name, [name for where, name in network.cluster.services if where == first.namespace], 1)
        related = [
            (network.cluster.services[first.namespace, name].place("metadata", "name"), f"the service {name} is there")
            for name in near
        ]
    else:
        text, help = (
            f"{first.said_by} names port {port} of {which}, which has no such port",
            "name a port of the service, not of its containers",
        )
        has = ", ".join(str(number) for number in sorted({one.port for one in service.ports})) or "none"
        related = [(service.place("spec", "ports"), f"it has {has}")]
    related += [(item.at(network), f"{item.said_by} names it too") for item in others[:SHOWN]]
    more = len(others) - SHOWN
    return RULE.finding(first.at(network), text, related=related, help=help, note=f"{more} more name it" if more > 0 else "")


MISSING = "correct the name; what lives elsewhere is declared under assume in the settings"
RULE = Rule("named-service-missing", Severity.WARNING, __doc__, check, absence=True)
