"""The API server is to ask a service that is not there, or a port that it does not have.

## What it finds
Services of webhooks (ValidatingWebhookConfiguration, MutatingWebhookConfiguration, the conversion of a CustomResourceDefinition) and of an APIService that are not in the input (where the input holds services of
that namespace), or do not have the port (443, where none is said).

## Why it matters
With `failurePolicy: Fail`, the default, every request that the webhook is about is refused, often all changes to pods; objects of the kind can no longer be read where conversion fails, and an API without its service
also keeps namespaces from being deleted.

## Example
    clientConfig: {service: {namespace: ingress-nginx, name: ingress-nginx-controler-admission}}

## How to mend
Correct the name or the port, or add the service.

## Sources
Kubernetes API reference WebhookClientConfig and APIServiceSpec: ServiceReference (port 443 by default); kubernetes/kubernetes staging/src/k8s.io/apiserver/pkg/util/webhook/client.go (HookClient has the service's name
resolved) and pkg/util/proxy/proxy.go beside it (ResolveEndpoint, ResolveCluster: an endpoint of the port, or the cluster IP; findServicePort: a port by its number), which staging/src/k8s.io/kube-aggregator/pkg/apiserver/resolvers.go chooses between
(port 443 of default/kubernetes is the API server itself, with or without a service: loopbackResolver).
"""

from collections.abc import Iterator
from typing import NamedTuple

from analyzer.query.workloads import Key, OtherObjectFact, is_number, listed, mapping, others
from analyzer.rule import Finding, Network, Rule, Severity

WEBHOOKS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
DEFAULT_PORT = 443
ITSELF = ("default", "kubernetes", 443)


class Asked(NamedTuple):
    """An object, and where it says which service is to be asked."""

    item: OtherObjectFact
    place: tuple[Key, ...]
    service: object


def check(network: Network) -> Iterator[Finding]:
    services = network.cluster.services
    for item, place, said in asked(network):
        one = mapping(said)
        namespace, name = one.get("namespace"), one.get("name")
        port = one["port"] if is_number(one.get("port")) else DEFAULT_PORT
        if not isinstance(namespace, str) or not isinstance(name, str) or not any(where == namespace for where, _ in services):
            continue
        service = services.get((namespace, name))
        if (namespace, name, port) == ITSELF:
            continue
        if service is None:
            text = f"{item.kind} {item.name} has the API server ask the service {namespace}/{name}, which is not there"
            yield RULE.finding(item.place(*place, "name"), text, help="correct the name, or add the service")
        elif service.type != "ExternalName" and port not in (offered := {each.port for each in service.ports}):
            has = ", ".join(map(str, sorted(offered))) or "none"
            text = f"{item.kind} {item.name} has the API server ask port {port} of the service {namespace}/{name}, which has no such port"
            at = item.place(*place, "port") if "port" in one else item.place(*place, "name")
            yield RULE.finding(
                at, text, related=[(service.place("spec", "ports"), f"it has {has}")], help="name a port of the service"
            )


def asked(network: Network) -> Iterator[Asked]:
    """The services that the API server is to ask."""
    for item in others(network, *WEBHOOKS):
        for number, webhook in enumerate(listed(item.document.get("webhooks"))):
            said = mapping(mapping(webhook).get("clientConfig")).get("service")
            yield Asked(item, ("webhooks", number, "clientConfig", "service"), said)
    for item in others(network, "APIService"):
        yield Asked(item, ("spec", "service"), mapping(item.document.get("spec")).get("service"))
    for item in others(network, "CustomResourceDefinition"):
        conversion = mapping(mapping(mapping(item.document.get("spec")).get("conversion")).get("webhook"))
        place = ("spec", "conversion", "webhook", "clientConfig", "service")
        yield Asked(item, place, mapping(conversion.get("clientConfig")).get("service"))


RULE = Rule("webhook-service-missing", Severity.ERROR, __doc__, check, absence=True)
