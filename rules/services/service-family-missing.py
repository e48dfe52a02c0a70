"""A service asks for an IP family of which the cluster has no service network.

## What it finds
Where the service networks of a cluster are stated (kubeadm, API server): services with `ipFamilies`, or an address, of a family that none of them is of, and services with
`ipFamilyPolicy: RequireDualStack` where they are of one family.

## Why it matters
The API server refuses the service. One that is headless and has no selector may ask for anything.

## Example
    ipFamilies: [IPv6]               # and the cluster has serviceSubnet: 10.96.0.0/16

## How to mend
Leave `ipFamilies` out, or say `ipFamilyPolicy: PreferDualStack`, which takes what there is; or give the cluster a service network of the other family.

## Sources
pkg/registry/core/service/storage/alloc.go (initIPFamilyFields: "not configured on this cluster", "this cluster is not configured for dual-stack services").
"""

from collections.abc import Iterator

from analyzer.query.manifests import seen
from analyzer.query.workloads import Key, ServiceFact, listed, mapping
from analyzer.rule import Finding, Network, Rule, Severity

WHOLE = ("serviceSubnet", "service-cluster-ip-range", "service-cidr")
"""Who says all service networks of a cluster, and not one that its own settings need."""


def check(network: Network) -> Iterator[Finding]:
    stated = [
        item for item in network.cluster.ranges if item.purpose == "service" and any(word in item.said_by for word in WHOLE)
    ]
    families = {item.prefix.family for item in stated}
    if len(families) != 1:
        return
    known = next(iter(families))
    for (namespace, name), service in sorted(network.cluster.services.items()):
        for path, what in asked(service, known):
            yield RULE.finding(
                service.place("spec", *path),
                f"service {namespace}/{name} asks for {what}, and the service network is IPv{known} only",
                related=[(stated[0].at, f"the service network {stated[0].prefix}")],
                help="leave it out, or say ipFamilyPolicy: PreferDualStack",
            )


def asked(service: ServiceFact, known: int) -> Iterator[tuple[tuple[Key, ...], str]]:
    """What a service asks for of the family that is not known, each with its path."""
    spec = mapping(service.document.get("spec"))
    anything = service.headless and not service.selector
    if seen(service) or anything or spec.get("type") == "ExternalName":
        return
    other = f"IPv{10 - known}"
    for index, family in enumerate(listed(spec.get("ipFamilies"))):
        if family == other:
            yield ("ipFamilies", index), other
    if spec.get("ipFamilyPolicy") == "RequireDualStack":
        yield ("ipFamilyPolicy",), "both families"
    if any(address.family != known for address in service.cluster_addresses) and not listed(spec.get("ipFamilies")):
        yield ("clusterIP",), "an address of the other family"


RULE = Rule("service-family-missing", Severity.ERROR, __doc__, check)
