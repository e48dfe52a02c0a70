"""A service's selector matches no pod and no workload of the input.

## What it finds
A Service whose selector matches none of the pods and pod templates of its namespace, where the input has some. The one that is nearest is named. As a warning: an empty selector (`{}`), which here means no pod.

## Why it matters
The service will have no endpoints: connections to it are refused.

## Example
    selector: {app: wep}          # the Deployment's pods have app: web

## How to mend
Correct the selector or the pods' labels.

## Sources
Kubernetes documentation "Service" (selector); pkg/controller/endpointslice. Services of captured clusters are judged by their endpoints (service-without-endpoints). Operators
make pods that are not in the input: in a namespace where objects of such kinds are, only slips of a label that a pod has are told.
"""

from collections.abc import Iterator, Mapping
from functools import partial

from analyzer.query.operators import operated
from analyzer.query.slips import slip
from analyzer.query.workloads import Template, captured, mapping, wanted
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    if captured(network):
        return
    yield from empty(network)
    there = wanted(network)
    for (namespace, name), service in sorted(network.cluster.services.items()):
        here = there.by_namespace.get(namespace or "default", [])
        if service.selector and here and service.type != "ExternalName" and not there.selected(service):
            labels = service.selector
            near = max(here, key=partial(shared, labels))
            if operated(network, namespace) and not any(misspelt(labels, item) for item in here):
                continue
            text = ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))
            alike = any(shared(labels, near))
            wrong = next((key for key, value in labels.items() if near.labels.get(key) != value), "")
            related = [(near.owner.place("metadata", "name"), differs(labels, near))] if alike else []
            yield RULE.finding(
                service.place("spec", "selector", wrong) if alike else service.place("spec", "selector"),
                f"service {namespace}/{name} will lead nowhere: no pod of {namespace} has the labels {text}",
                related=related,
                help="correct the selector or the pods' labels",
            )


def shared(selector: Mapping[str, str], item: Template) -> tuple[int, int]:
    """How much of a selector a pod has: whole labels, then keys."""
    return sum(item.labels.get(key) == value for key, value in selector.items()), sum(key in item.labels for key in selector)


def empty(network: Network) -> Iterator[Finding]:
    """Services with a selector that says nothing, which selects no pod, and with no endpoints that somebody made."""
    for key, service in sorted(network.cluster.services.items()):
        said = mapping(service.document.get("spec")).get("selector")
        if isinstance(said, dict) and not said and service.type != "ExternalName" and not network.cluster.endpoints.get(key):
            yield RULE.finding(
                service.place("spec", "selector"),
                f"the selector of service {'/'.join(key)} is empty: it selects no pod, not all of them",
                help="select pods by their labels; leave it out where somebody else makes the endpoints",
                severity=Severity.WARNING,
            )


def misspelt(selector: Mapping[str, str], item: Template) -> bool:
    """Whether a pod has what a selector asks for, but for a slip in one value."""
    wrong = [(value, item.labels.get(key, "")) for key, value in selector.items() if item.labels.get(key) != value]
    return len(wrong) == 1 and slip(*wrong[0])


def differs(selector: Mapping[str, str], item: Template) -> str:
    """How the nearest pod differs."""
    has = ", ".join(f"{key}={item.labels[key]}" if key in item.labels else f"no {key}" for key in sorted(selector))
    return f"{item} has {has}"


RULE = Rule("service-selects-nothing", Severity.ERROR, __doc__, check, absence=True)
