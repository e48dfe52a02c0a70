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
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    sure: dict[str, bool] = {}
    for item in named(network):
        if item.namespace not in sure:
            sure[item.namespace] = complete(network, {item.namespace})
        if sure[item.namespace]:
            yield from wrong(network, item)


def wrong(network: Network, item: Named) -> Iterator[Finding]:
    """What is wrong with a name."""
    services = network.cluster.services
    service = services.get((item.namespace, item.name))
    if service is None and (item.namespace, item.name) != API_SERVER:
        near = get_close_matches(item.name, [name for namespace, name in services if namespace == item.namespace], 1)
        yield RULE.finding(
            item.at,
            f"{item.said_by} names the service {item.namespace}/{item.name}, which is not there",
            related=[(services[item.namespace, name].place("metadata", "name"), f"the service {name} is there") for name in near],
            help="correct the name; what lives elsewhere is declared under assume in the settings",
        )
    elif (
        service is not None
        and item.port
        and not service.headless
        and service.type != "ExternalName"
        and item.port not in (have := {port.port for port in service.ports})
    ):
        has = ", ".join(map(str, sorted(have))) or "none"
        yield RULE.finding(
            item.at,
            f"{item.said_by} names port {item.port} of the service {item.namespace}/{item.name}, which has no such port",
            related=[(service.place("spec", "ports"), f"it has {has}")],
            help="name a port of the service, not of its containers",
        )


RULE = Rule("named-service-missing", Severity.WARNING, __doc__, check)
