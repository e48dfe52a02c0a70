"""An endpoint of a service is itself the address of a service.

## What it finds
EndpointSlices and Endpoints with an address that is the cluster address of a service, another or the same.

## Why it matters
A node translates the destination of a connection once: what was sent on to the second service's address is not translated again. The packet leaves for an address that nobody has, and is lost; where the
address is the service's own, or is bound to kube-ipvs0, it comes back to the node itself.

## Example
    kind: Endpoints
    subsets: [{addresses: [{ip: 10.96.0.20}]}]          # clusterIP of another service

## How to mend
List the pods' addresses, or give the service the other's selector; for another name of a service use `type: ExternalName` with the other's name.

## Sources
net/netfilter/nf_nat_core.c (nf_nat_inet_fn: chains are asked for the first packet of a connection only); kubernetes/kubernetes#28038; alibaba/kubeskoop (service network loop); Kubernetes, Service (endpoint IPs must not be cluster IPs of other services).
"""

from collections.abc import Iterator

from analyzer.query.systems.proxies import kube_proxy
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    taken = {address: key for key, one in sorted(network.cluster.services.items()) for address in one.cluster_addresses}
    proxied = kube_proxy(network) is not None
    for key, groups in sorted(network.cluster.endpoints.items()):
        told = set()
        for endpoint in (endpoint for group in groups for endpoint in group.endpoints):
            owner = taken.get(endpoint.address)
            if owner is None or endpoint.address in told:
                continue
            told.add(endpoint.address)
            whose = "its own cluster address" if owner == key else f"the cluster address of service {owner[0]}/{owner[1]}"
            yield RULE.finding(
                endpoint.at,
                f"service {key[0]}/{key[1]} has the endpoint {endpoint.address}, which is {whose}",
                related=[
                    (network.cluster.services[owner].place("spec", "clusterIP"), f"{owner[0]}/{owner[1]} has {endpoint.address}")
                ],
                note=""
                if proxied
                else "without kube-proxy, a service proxy that looks at packets again may translate them twice",
                help="list pods' addresses, or use type ExternalName",
                certain=proxied,
            )


RULE = Rule("endpoint-is-service-address", Severity.ERROR, __doc__, check)
