"""A pod asks a name server that is neither the cluster's DNS service nor anything in the capture.

## What it finds
A pod with dnsPolicy ClusterFirst whose resolv.conf names a server that is not the address of kube-dns (kube-system/kube-dns or coredns) and lies in the service network; where that is not known (possible), one that is neither
a node's, a pod's nor link-local.

## Why it matters
Names of the cluster do not resolve; the kubelet's clusterDNS and the service's address differ.

## Example
    nameserver 10.96.0.10            # and the service kube-dns has 10.43.0.10

## How to mend
Set `clusterDNS` of the kubelet to the service's address and restart the pods.

## Sources
Kubernetes documentation "Customizing DNS Service"; kubelet configuration v1beta1 (clusterDNS). 169.254.20.10 (NodeLocal DNS) is healthy.
"""

from collections.abc import Iterator

from analyzer.rule import Address, Finding, Network, Rule, Severity

NAMES = frozenset({"kube-dns", "coredns", "rke2-coredns-rke2-coredns", "dns-default"})


def check(network: Network) -> Iterator[Finding]:
    servers = {
        address: key
        for key, service in network.cluster.services.items()
        if key[1] in NAMES or service.labels.get("k8s-app") == "kube-dns"
        for address in service.cluster_addresses
    }
    if not servers:
        return
    ranges = [item.prefix for item in network.cluster.ranges if item.purpose == "service"]
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
            inner = any(prefix.covers(server) for prefix in ranges)
            if server not in servers and (inner or (not ranges and not elsewhere(network, server, set(servers)))):
                address, key = next(iter(servers.items()))
                yield RULE.finding(
                    inside.resolver.at,
                    f"{pod.name} asks {server}, but the cluster's DNS service {key[0]}/{key[1]} has {address}",
                    related=[(network.cluster.services[key].place("spec", "clusterIP"), f"{address}")],
                    help=f"set clusterDNS of the kubelet to {address}",
                    certain=inner,
                )


def elsewhere(network: Network, server: Address, servers: set[Address]) -> bool:
    """Whether a server may well be meant, where the service network is not known: it is a node's, a pod's or NodeLocal DNS' own, or of another family."""
    local = server.value >> 16 == 169 << 8 | 254 if server.family == 4 else server.value >> 118 == 0xFE80 >> 6
    named = any(server in item.cluster_addresses for key, item in network.cluster.services.items() if "dns" in key[1])
    known = server in network.owners or any(server in pod.addresses for pod in network.cluster.pods.values())
    return local or named or known or all(one.family != server.family for one in servers)


RULE = Rule("resolver-is-not-cluster-dns", Severity.ERROR, __doc__, check)
