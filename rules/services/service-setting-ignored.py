"""A setting of a service that does nothing, or that the API server refuses, for services of its type.

## What it finds
`externalTrafficPolicy` on a service that nothing outside reaches, `loadBalancerSourceRanges` and `loadBalancerClass` on one that is no load balancer,
`healthCheckNodePort` without `externalTrafficPolicy: Local`, `sessionAffinityConfig` without `sessionAffinity: ClientIP`, a selector on an ExternalName, `internalTrafficPolicy` and
session affinity on a headless service, and a `targetPort` there that is another number than the port (a note). Of the `loadBalancerSourceRanges` of a load balancer one that another holds,
and one with bits behind its length, of which only the network counts.

## Why it matters
What the author wanted is not there: a range of sources that keeps nobody out, a policy that keeps no address.

## Example
    type: NodePort
    loadBalancerSourceRanges: [203.0.113.0/24]     # node ports are open to everybody

## How to mend
Remove the setting, or give the service the type that it belongs to.

## Sources
Kubernetes pkg/apis/core/validation ValidateService, pkg/registry/core/service strategy dropTypeDependentFields; Service API reference.
"""

from collections.abc import Iterator, Mapping

from analyzer.query.plan import prefix
from analyzer.query.workloads import ServiceFact, is_number, listed, mapping
from analyzer.rule import Finding, Network, Rule, Severity

TYPES = ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")


def check(network: Network) -> Iterator[Finding]:
    for _, service in sorted(network.cluster.services.items()):
        spec = mapping(service.document.get("spec"))
        yield from untranslated(service, spec)
        yield from ranges(service, spec) if service.type == "LoadBalancer" else ()
        for key, why, severity in wrong(service, spec):
            text = f"{key} of service {service.namespace}/{service.name}: {why}"
            help = "remove it, or give the service the type that it belongs to"
            yield RULE.finding(service.place("spec", key), text, help=help, severity=severity)


def wrong(service: ServiceFact, spec: Mapping[str, object]) -> Iterator[tuple[str, str, Severity]]:
    """The settings that do not fit, why, and how bad that is: an error where the API server refuses the object. Of a word that is none (manifest-value-refused
    tells it) what is meant is not known: it fits."""
    unclear = service.type not in TYPES
    balancer = service.type == "LoadBalancer" or unclear
    outside = balancer or service.type == "NodePort" or bool(service.external_addresses)
    if spec.get("externalTrafficPolicy") == "Local" and not outside:
        yield "externalTrafficPolicy", "refused: nothing outside reaches a service of this type", Severity.ERROR
    if spec.get("loadBalancerSourceRanges") and not balancer:
        yield "loadBalancerSourceRanges", "does nothing: only load balancers look at it", Severity.WARNING
    if spec.get("loadBalancerClass") and not balancer:
        yield "loadBalancerClass", "refused: only load balancers have it", Severity.ERROR
    if spec.get("healthCheckNodePort") and not (balancer and spec.get("externalTrafficPolicy") not in (None, "Cluster")):
        yield "healthCheckNodePort", "refused without type LoadBalancer and externalTrafficPolicy: Local", Severity.ERROR
    if spec.get("sessionAffinityConfig") and spec.get("sessionAffinity") in (None, "None"):
        yield "sessionAffinityConfig", "refused without sessionAffinity: ClientIP", Severity.ERROR
    if service.type == "ExternalName" and spec.get("selector"):
        yield "selector", "does nothing: an ExternalName has no endpoints", Severity.NOTE
    if service.headless:
        for key, value in (("sessionAffinity", "ClientIP"), ("internalTrafficPolicy", "Local")):
            if spec.get(key) == value:
                yield key, "does nothing: no proxy stands before a headless service", Severity.NOTE


def untranslated(service: ServiceFact, spec: Mapping[str, object]) -> Iterator[Finding]:
    """Ports of a headless service that are not those of its pods: its name leads to the pods themselves."""
    for index, port in enumerate(map(mapping, listed(spec.get("ports")))) if service.headless and service.selector else ():
        number, target = port.get("port"), port.get("targetPort")
        if is_number(number) and is_number(target) and target != number:
            text = f"port {number} of service {service.namespace}/{service.name} is not translated to {target}: the service is headless"
            help = f"port: {target}; or leave out clusterIP: None, where a port of the service's own is wanted"
            note = f"who looks up the name gets the pods' addresses, and meets port {number} there; SRV records say {target}"
            at = service.place("spec", "ports", index, "targetPort")
            yield RULE.finding(at, text, note=note, help=help, severity=Severity.NOTE)


def ranges(service: ServiceFact, spec: Mapping[str, object]) -> Iterator[Finding]:
    """Ranges of sources that keep nobody out, or let more in than they seem to (kube-proxy and clouds mask them)."""
    texts = [str(text).strip() for text in listed(spec.get("loadBalancerSourceRanges"))]
    known = [prefix(text) for text in texts]
    name = f"service {service.namespace}/{service.name}"
    for index, (text, own) in enumerate(zip(texts, known, strict=True)):
        at = service.place("spec", "loadBalancerSourceRanges", index)
        wider = next(
            (one for other, one in enumerate(known) if own and one and one.covers(own) and (one != own or other < index)), None
        )
        if wider is not None:
            yield RULE.finding(
                at, f"source range {text} of {name} does nothing: {wider} beside it holds it", help="leave one of the two out"
            )
        elif own is not None and (first := prefix(text.partition("/")[0])) is not None and first.value != own.value:
            yield RULE.finding(
                at,
                f"source range {text} of {name} is all of {own}",
                help=f"write {own}, or the one address",
                severity=Severity.NOTE,
            )


RULE = Rule("service-setting-ignored", Severity.WARNING, __doc__, check)
