"""A pod asks a name server that is neither the cluster's DNS service nor anything in the capture.

## What it finds
A pod with dnsPolicy ClusterFirst whose resolv.conf names a server that lies in the service network but is not the address of kube-dns (kube-system/kube-dns or coredns).

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

from analyzer.rule import Finding, Network, Rule, Severity

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
            if server not in servers and any(prefix.covers(server) for prefix in ranges):
                address, key = next(iter(servers.items()))
                yield RULE.finding(
                    inside.resolver.at,
                    f"{pod.name} asks {server}, but the cluster's DNS service {key[0]}/{key[1]} has {address}",
                    related=[(network.cluster.services[key].place("spec", "clusterIP"), f"{address}")],
                    help=f"set clusterDNS of the kubelet to {address}",
                )


RULE = Rule("resolver-is-not-cluster-dns", Severity.ERROR, __doc__, check)
