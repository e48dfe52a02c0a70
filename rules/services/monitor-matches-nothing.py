"""A ServiceMonitor matches no service, a PodMonitor no pod, or a port that it names is of none of them.

## What it finds
Selectors of ServiceMonitor and PodMonitor (Prometheus operator) that match nothing of the namespaces that they mean, where the input holds services or pods of those; ports (`endpoints[].port`: names of
the services' ports, `podMetricsEndpoints[].port`: names of the containers') that nothing selected has. Only if nothing in those namespaces is of a kind whose operator may make more.

## Why it matters
Prometheus scrapes nothing, and says nothing: there is no target that could be down.

## Example
    kind: ServiceMonitor
    spec: {selector: {matchLabels: {app: web}}, endpoints: [{port: metrics}]}     # the service's port is called http-metrics

## How to mend
Select by the labels of the service itself, not of its pods; name its port. Services of other namespaces need a `namespaceSelector`.

## Sources
prometheus-operator Documentation/api-reference (ServiceMonitorSpec, PodMonitorSpec, Endpoint, PodMetricsEndpoint, NamespaceSelector).
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from analyzer.query.named_services import complete, selects
from analyzer.query.workloads import OtherObjectFact, Template, listed, mapping, others, populated, wanted
from analyzer.rule import Finding, Network, Rule, Severity, Span

GROUP = "monitoring.coreos.com/"


class Target(NamedTuple):
    """What could be scraped: a service, or pods; its labels, the names of its ports, and its place."""

    name: str
    labels: Mapping[str, str]
    ports: frozenset[str]
    at: Span


def check(network: Network) -> Iterator[Finding]:
    for item in others(network, "ServiceMonitor", "PodMonitor"):
        if item.api_version.startswith(GROUP):
            yield from of_monitor(network, item)


API_SERVER = {"component": "apiserver", "provider": "kubernetes"}
"""The labels of the service that the API server makes of itself in ``default``."""


def of_monitor(network: Network, item: OtherObjectFact) -> Iterator[Finding]:
    """What is wrong with a monitor."""
    spec = mapping(item.document.get("spec"))
    services = item.kind == "ServiceMonitor"
    namespaces = meant(item)
    if not complete(network, namespaces) or not (services or all(populated(network, one) for one in namespaces)):
        return
    targets = [one for name in sorted(namespaces) for one in (of_services(network, name) if services else of_pods(network, name))]
    found = [one for one in targets if selects(mapping(spec.get("selector")), one.labels)]
    if not found and "default" in namespaces and selects(mapping(spec.get("selector")), API_SERVER):
        return
    if not found:
        what = "service" if services else "pod"
        yield RULE.finding(
            item.place("spec", "selector"),
            f"{item.kind} {item.namespace or 'default'}/{item.name} matches no {what} of {', '.join(sorted(namespaces))}",
            related=[(one.at, f"{one.name} has {words(one.labels)}") for one in targets[:3]],
            help=f"select by the labels of the {what}{' itself, not of its pods' if services else ''}",
        )
        return
    key = "endpoints" if services else "podMetricsEndpoints"
    for index, end in enumerate(listed(spec.get(key))):
        port = mapping(end).get("port")
        if isinstance(port, str) and port and not any(port in one.ports for one in found):
            yield RULE.finding(
                item.place("spec", key, index, "port"),
                f"{item.kind} {item.namespace or 'default'}/{item.name} scrapes port {port}, by which name {found[0].name}{' and others have' if len(found) > 1 else ' has'} none",
                related=[(one.at, f"{one.name} has {', '.join(sorted(one.ports)) or 'none by a name'}") for one in found[:3]],
                help="name one of its ports",
            )


def meant(item: OtherObjectFact) -> set[str]:
    """The namespaces that a monitor means: its own, or those that it names; none where it means all, as those of others are not here."""
    selector = mapping(mapping(item.document.get("spec")).get("namespaceSelector"))
    if selector.get("any") is True:
        return set()
    return {name for name in listed(selector.get("matchNames")) if isinstance(name, str)} or {item.namespace or "default"}


def of_services(network: Network, namespace: str) -> Iterator[Target]:
    """The services of a namespace."""
    for (where, name), one in sorted(network.cluster.services.items()):
        if where == namespace:
            ports = frozenset(port.name for port in one.ports if port.name)
            yield Target(f"service {namespace}/{name}", one.labels, ports, one.place("metadata", "labels"))


def of_pods(network: Network, namespace: str) -> Iterator[Target]:
    """The pods of a namespace."""
    for one in wanted(network).by_namespace.get(namespace, ()):
        yield Target(str(one), one.labels, frozenset(port.name for port in one.ports if port.name), place_of(one))


def place_of(one: Template) -> Span:
    """Where the labels of pods are said."""
    return one.owner.place(*one.path[:-1], "metadata", "labels")


def words(labels: Mapping[str, str]) -> str:
    """Labels in words."""
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items())[:3]) or "no labels"


RULE = Rule("monitor-matches-nothing", Severity.WARNING, __doc__, check, absence=True)
