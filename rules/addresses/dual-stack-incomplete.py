"""Part of a dual-stack cluster has one family only.

## What it finds
Where Nodes have pod networks of both families: a Node whose addresses, or whose pod networks, are of one family; a service with addresses of both families whose
endpoints have only one; a running pod with an address of one family on a Node with pod networks of both.

## Why it matters
What is reached by a name with both records works for some clients and not for others.

## Example
    Node n3: InternalIP 192.168.0.13        # n1 and n2 also have an IPv6 InternalIP

## How to mend
kubelet `--node-ip=IPV4,IPV6`; both families in the CNI's pools, in `--cluster-cidr` and in `--service-cluster-ip-range`; recreate the pods.

## Sources
kubernetes/kubernetes#91940, k0sproject/k0s#5833; kubernetes.io/docs/concepts/services-networking/dual-stack.
"""

from collections.abc import Iterable, Iterator

from analyzer.query.plan import address_place, running_pods
from analyzer.rule import Address, Finding, Network, Prefix, Rule, Severity

NAMES = {4: "IPv4", 6: "IPv6"}


def check(network: Network) -> Iterator[Finding]:
    nodes = network.cluster.nodes
    dual = {name for name, node in nodes.items() if len(families(node.pod_cidrs)) == 2}
    if not dual:
        return
    for name, node in nodes.items():
        found = families(address for kind, address in node.addresses if kind == "InternalIP")
        if len(found) == 1:
            yield RULE.finding(
                node.place("status", "addresses"),
                f"Node {name} has only {NAMES[found.pop()]} addresses, and {len(dual)} nodes have pod networks of both families",
                help=f"kubelet --node-ip=IPV4,IPV6 on {name}",
            )
        if node.pod_cidrs and name not in dual:
            yield RULE.finding(
                node.place("spec", "podCIDRs"),
                f"Node {name} has the pod network {node.pod_cidrs[0]} only, and {len(dual)} other nodes have both families",
                help="give the controller manager a --cluster-cidr of both families, and let the node join anew",
            )
    yield from pods(network, dual)
    yield from services(network)


def families(items: Iterable[Address | Prefix]) -> set[int]:
    """The families of addresses or networks."""
    return {item.family for item in items}


def pods(network: Network, dual: set[str]) -> Iterator[Finding]:
    for pod in running_pods(network):
        found = families(pod.addresses)
        if pod.node in dual and len(found) == 1 and not pod.terminating:
            yield RULE.finding(
                address_place(pod, 0),
                f"pod {pod.namespace}/{pod.name} has only an {NAMES[found.pop()]} address on {pod.node}, which has pod networks of both families",
                help="recreate the pod; see whether the CNI's configuration has both families",
            )


def services(network: Network) -> Iterator[Finding]:
    if not network.cluster.known & {"EndpointSlice"}:
        return
    for key, service in network.cluster.services.items():
        wanted = families(service.cluster_addresses)
        found = families(one.address for piece in network.cluster.endpoints.get(key, ()) for one in piece.endpoints)
        for family in sorted(wanted - found) if found else ():
            yield RULE.finding(
                service.place("spec", "clusterIPs"),
                f"service {service.namespace}/{service.name} has an {NAMES[family]} address and no {NAMES[family]} endpoint",
                help="let the pods have addresses of both families, and listen on both",
            )


RULE = Rule("dual-stack-incomplete", Severity.WARNING, __doc__, check)
