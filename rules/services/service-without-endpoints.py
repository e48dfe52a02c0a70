"""A service with a selector has no ready endpoint.

## What it finds
A Service with a selector whose EndpointSlices hold no ready address, and why: no pod matches, the matching pods are not ready, or the named
target port exists on none of them.

## Why it matters
kube-proxy rejects connections to it ("has no endpoints").

## Example
    selector: {app: wep}          # the pods have app: web

## How to mend
Correct the selector or the pods' labels, the readiness probe, or the name of the target port.

## Sources
kubernetes/kubernetes pkg/proxy (no endpoints: reject); Kubernetes documentation "Debug Services". Headless services, services without a selector and workloads of no replicas may be intended.
"""

from collections.abc import Iterator, Mapping

from analyzer.query.state import backends
from analyzer.query.workloads import captured
from analyzer.rule import Finding, Network, Rule, Severity

WORKLOADS = ("Deployment", "StatefulSet", "ReplicaSet", "ReplicationController")


def check(network: Network) -> Iterator[Finding]:
    cluster = network.cluster
    if not captured(network):
        return
    unused = scaled_to_zero(network)
    for (namespace, name), service in sorted(cluster.services.items()):
        if not service.selector or service.headless or service.type == "ExternalName":
            continue
        found = [endpoint for group in cluster.endpoints.get((namespace, name), ()) for endpoint in group.endpoints]
        if any(endpoint.ready for endpoint in found):
            continue
        if any((service.selector or {}).items() <= labels.items() for labels in unused.get(namespace, ())):
            continue
        pods = backends(network, service)
        known = "Pod" in cluster.known
        if known and not pods:
            text = f"no pod of {namespace} has the labels {', '.join(f'{key}={value}' for key, value in sorted(service.selector.items()))}"
        elif found or pods:
            text = f"{len(found) or len(pods)} endpoints, none of them ready"
        else:
            text = "it has no endpoints"
        yield RULE.finding(
            service.place("spec", "selector"),
            f"service {namespace}/{name} leads nowhere: {text}",
            help="correct the selector, the pods' labels or readiness, or the name of the target port",
        )


def scaled_to_zero(network: Network) -> dict[str, list[Mapping[str, object]]]:
    """The labels of the pods of workloads that have no replicas, by namespace: services that lead nowhere for that are wanted so."""
    found: dict[str, list[Mapping[str, object]]] = {}
    for item in network.cluster.others:
        if item.kind in WORKLOADS:
            spec = mapping(item.document.get("spec"))
            if spec.get("replicas") == 0:
                labels = mapping(mapping(mapping(spec.get("template")).get("metadata")).get("labels"))
                found.setdefault(item.namespace, []).append(labels)
    return found


def mapping(value: object) -> Mapping[str, object]:
    """The value where it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


RULE = Rule("service-without-endpoints", Severity.WARNING, __doc__, check)
