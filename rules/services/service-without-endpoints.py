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

from analyzer.query.state import ServiceFact, backends
from analyzer.rule import Finding, Network, Rule, Severity

WORKLOADS = ("Deployment", "StatefulSet", "ReplicaSet", "ReplicationController")


def check(network: Network) -> Iterator[Finding]:
    cluster = network.cluster
    if not cluster.known & {"EndpointSlice", "Endpoints"}:
        return
    for (namespace, name), service in sorted(cluster.services.items()):
        if not service.selector or service.headless or service.type == "ExternalName":
            continue
        found = [endpoint for group in cluster.endpoints.get((namespace, name), ()) for endpoint in group.endpoints]
        if any(endpoint.ready for endpoint in found):
            continue
        if scaled_to_zero(network, service):
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


def scaled_to_zero(network: Network, service: ServiceFact) -> bool:
    """Whether a workload of no replicas would serve it: that is wanted."""
    wanted = (service.selector or {}).items()
    for item in network.cluster.others:
        spec = mapping(item.document.get("spec"))
        labels = mapping(mapping(mapping(spec.get("template")).get("metadata")).get("labels"))
        if (
            item.kind in WORKLOADS
            and item.namespace == service.namespace
            and spec.get("replicas") == 0
            and wanted <= labels.items()
        ):
            return True
    return False


def mapping(value: object) -> Mapping[str, object]:
    """The value where it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


RULE = Rule("service-without-endpoints", Severity.WARNING, __doc__, check, ("F71",))
