"""A StatefulSet's pods have no names of their own: its governing service is not there, or is not headless.

## What it finds
StatefulSets whose `serviceName` names no service of the input (where the input has services of the namespace), or one with a cluster address, or one that does not select its pods.

## Why it matters
The names `pod-0.service.namespace.svc` are made from the headless service: without it they do not resolve.

## Example
    kind: StatefulSet
    spec: {serviceName: db}       # and the service db has a cluster IP

## How to mend
Give the StatefulSet a headless service (`clusterIP: None`) that selects its pods.

## Sources
Kubernetes documentation "StatefulSets", stable network ID; "DNS for Services and Pods", pods' hostname and subdomain.
"""

from collections.abc import Iterator

from analyzer.query.workloads import Template, mapping, matches, others, workload
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    services = network.cluster.services
    for item in others(network, "StatefulSet"):
        name = mapping(item.document.get("spec")).get("serviceName")
        namespace = item.namespace or "default"
        if not isinstance(name, str) or not name:
            continue
        if any(where == namespace for where, _ in services) or (namespace, name) in services:
            yield from problems(network, workload(item), name)


def problems(network: Network, item: Template, name: str) -> Iterator[Finding]:
    """What is wrong with the service."""
    service = network.cluster.services.get((item.namespace, name))
    at = item.owner.place("spec", "serviceName")
    if service is None:
        yield RULE.finding(at, f"{item} wants the service {name}, which is not there", help=f"add a headless service {name}")
    elif not service.headless:
        related = [(service.place("spec"), "it has a cluster address")]
        yield RULE.finding(
            at, f"the service {name} of {item} is not headless: its pods have no names", related=related, help="clusterIP: None"
        )
    elif service.selector and not matches(service.selector, item):
        related = [(service.place("spec", "selector"), "selects other pods")]
        yield RULE.finding(at, f"the service {name} of {item} does not select its pods: they have no names", related=related)


RULE = Rule("stateful-set-without-service", Severity.WARNING, __doc__, check, follows=("service-selects-nothing",), absence=True)
