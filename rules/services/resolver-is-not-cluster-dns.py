"""A pod asks a name server that is neither the cluster's DNS service nor anything in the capture.

## What it finds
A pod with dnsPolicy ClusterFirst whose resolv.conf names a server that is not the address of kube-dns (kube-system/kube-dns or coredns) and lies in the service network; where that is not known (possible), one that is neither
a node's, a pod's nor link-local. Also one that is link-local, as that of NodeLocal DNS, and which the pod's captured node does not have; 169.254.169.0/24 is left out, where clouds answer.

## Why it matters
Names of the cluster do not resolve: the kubelet's clusterDNS and the service's address differ, or nothing answers at the link-local address.

## Example
    nameserver 10.96.0.10            # and the service kube-dns has 10.43.0.10

## How to mend
Set `clusterDNS` of the kubelet to the service's address and restart the pods. Where NodeLocal DNS does not run on a node, let its DaemonSet tolerate the node's taints.

## Sources
Kubernetes documentation "Customizing DNS Service"; kubelet configuration v1beta1 (clusterDNS). kubernetes/dns cmd/node-cache/app/cache_app.go (NodeLocal DNS binds 169.254.20.10 on the device nodelocaldns).
"""

from collections.abc import Iterator

from analyzer.query.state import roots
from analyzer.rule import Address, Attachment, Finding, Namespace, Network, Rule, Severity, Span

CLOUDS = 169 << 16 | 254 << 8 | 169
NAMES = frozenset({"kube-dns", "coredns", "rke2-coredns-rke2-coredns", "dns-default"})


def check(network: Network) -> Iterator[Finding]:
    servers = {
        address: key
        for key, service in network.cluster.services.items()
        if key[1] in NAMES or service.labels.get("k8s-app") == "kube-dns"
        for address in service.cluster_addresses
    }
    found = {root.scope.node: root for root in roots(network)}
    for pod in network.attachments:
        inside = network.namespaces.get(pod.scope)
        if (
            inside is None
            or inside.resolver is None
            or not pod.scope.namespace
            or (pod.pod and pod.pod.dns_policy not in ("ClusterFirst", "ClusterFirstWithHostNet"))
        ):
            continue
        for server in inside.resolver.servers:
            if servers:
                yield from others(network, pod, inside.resolver.at, server, servers)
            root = found.get(pod.scope.node)
            if root is not None and unbound(network, root, inside, server):
                yield RULE.finding(
                    inside.resolver.at,
                    f"{pod.name} asks {server}, which its node {root.scope.node} does not have: NodeLocal DNS has its address on each node",
                    help=f"let NodeLocal DNS run on {root.scope.node}, or set clusterDNS of the kubelet to the DNS service's address",
                    certain=not root.gaps.get("ip-addr"),
                )


def others(
    network: Network, pod: Attachment, at: Span, server: Address, servers: dict[Address, tuple[str, str]]
) -> Iterator[Finding]:
    """A server that is not the cluster's. What is known of single services' addresses alone says nothing of the service network."""
    stated = [item.prefix for item in network.cluster.ranges if item.purpose == "service"]
    ranges = [prefix for prefix in stated if prefix.value != prefix.last]
    inner = any(prefix.covers(server) for prefix in ranges)
    unknown = not ranges and (not stated or pod.pod is not None)
    if server not in servers and (inner or (unknown and not elsewhere(network, server, set(servers)))):
        address, key = next(iter(servers.items()))
        yield RULE.finding(
            at,
            f"{pod.name} asks {server}, but the cluster's DNS service {key[0]}/{key[1]} has {address}",
            related=[(network.cluster.services[key].place("spec", "clusterIP"), f"{address}")],
            help=f"set clusterDNS of the kubelet to {address}",
            certain=inner,
        )


def unbound(network: Network, root: Namespace, inside: Namespace, server: Address) -> bool:
    """Whether a link-local server of IPv4 is on no interface of the pod's node; objects that redirect addresses may have it elsewhere."""
    local = server.family == 4 and server.value >> 16 == 169 << 8 | 254 and server.value >> 8 != CLOUDS
    own = {fact.address for space in (root, inside) for fact in space.addresses}
    redirected = any(item.kind == "CiliumLocalRedirectPolicy" for item in network.cluster.others)
    known = bool(root.addresses) and not {"ip-addr"} & root.missing.keys()
    return local and known and not redirected and server not in own and not served(network, server)


def served(network: Network, server: Address) -> bool:
    """Whether a service has the address: then kube-proxy translates it."""
    return any(server in (*one.external_addresses, *one.load_balancer_addresses) for one in network.cluster.services.values())


def elsewhere(network: Network, server: Address, servers: set[Address]) -> bool:
    """Whether a server may well be meant, where the service network is not known: it is a node's, a pod's or NodeLocal DNS' own, or of another family."""
    local = server.value >> 16 == 169 << 8 | 254 if server.family == 4 else server.value >> 118 == 0xFE80 >> 6
    named = any(server in item.cluster_addresses for key, item in network.cluster.services.items() if "dns" in key[1])
    known = server in network.owners or any(server in pod.addresses for pod in network.cluster.pods.values())
    return local or named or known or all(one.family != server.family for one in servers)


RULE = Rule("resolver-is-not-cluster-dns", Severity.ERROR, __doc__, check)
