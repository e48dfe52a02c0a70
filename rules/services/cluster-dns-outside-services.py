"""The kubelet gives pods a DNS server that is no service, or another domain than the cluster's.

## What it finds
`clusterDNS` that is outside the service network, or (possible) none of the cluster's DNS services, and no address of a node's own (as NodeLocal DNS has); a link-local one that no captured node has; and
`clusterDomain` other than what kubeadm says.

## Why it matters
Pods ask an address that nobody answers, or names that CoreDNS does not know: nothing resolves.

## Example
    clusterDNS: [10.100.0.10]          # services: 10.96.0.0/16

## How to mend
Write the address of the kube-dns service (kubeadm: the tenth of the service network) and the cluster's domain into the kubelet's configuration.

## Sources
kubernetes pkg/kubelet/apis/config, cmd/kubeadm/app/constants/constants.go (GetDNSIP).
"""

from collections.abc import Iterator

from analyzer.query.names import dns_services
from analyzer.query.plan import prefix, ranges
from analyzer.query.state import roots
from analyzer.query.systems.kubernetes import settings
from analyzer.rule import Address, Finding, Network, Prefix, Rule, Severity, Span

LINK_LOCAL = ("169.254.0.0/16", "fe80::/10", "fd00::/8")


def check(network: Network) -> Iterator[Finding]:
    services = [item for item in ranges(network, "service") if not item.said_by.startswith("Service ")]
    for item in settings(network, "kubernetes", "cluster-dns"):
        for text in item.value.split(","):
            found = prefix(text.strip())
            same = [one for one in services if found is not None and one.prefix.family == found.family]
            if found is not None and same and not any(one.prefix.covers(found) for one in same) and not own(network, found):
                yield RULE.finding(
                    item.at,
                    f"pods ask the DNS server {text.strip()}, which is not in the service network {same[0].prefix}",
                    related=[(same[0].at, f"{same[0].said_by} says {same[0].prefix}")],
                    help="write the address of the kube-dns service",
                )
            elif found is not None:
                yield from unanswered(network, item.at, text.strip(), found)
    yield from domains(network)


def unanswered(network: Network, at: Span, text: str, found: Prefix) -> Iterator[Finding]:
    """A server that is none of the cluster's DNS services: nobody's, or one that nodes should hold themselves and none does."""
    told = [
        service
        for service in dns_services(network).values()
        if any(one.family == found.family for one in service.cluster_addresses)
    ]
    named = {one for key, service in network.cluster.services.items() if "dns" in key[1] for one in service.cluster_addresses}
    asked = Address(found.family, found.value)
    if not told or asked in named or asked in network.owners:
        return
    if not own(network, found):
        yield RULE.finding(
            at,
            f"pods ask the DNS server {text}, and the cluster's DNS service has {', '.join(map(str, told[0].cluster_addresses))}",
            related=[(told[0].place("spec", "clusterIP"), f"Service {told[0].namespace}/{told[0].name}")],
            help="write the address of the kube-dns service",
            certain=False,
        )
    elif any("ip-addr" not in root.missing for root in roots(network)):
        yield RULE.finding(
            at,
            f"pods ask {text} on their own node, and no captured node has this address",
            related=[(told[0].place("spec", "clusterIP"), f"Service {told[0].namespace}/{told[0].name}")],
            help="install NodeLocal DNS on the nodes (its device nodelocaldns holds the address), or write the address of the kube-dns service",
            certain=False,
        )


def own(network: Network, found: Prefix) -> bool:
    """Whether an address is one that nodes hold themselves, as NodeLocal DNS does, or is of their own links."""
    local = any(known is not None and known.covers(found) for known in map(prefix, LINK_LOCAL))
    return local or any(address.family == found.family and address.value == found.value for address in network.owners)


def domains(network: Network) -> Iterator[Finding]:
    """Domains that differ: from that of the cluster whose file states both, else from those of all that are stated."""
    found = settings(network, "kubernetes", "cluster-domain")
    kubeadm = [item for item in found if "kubeadm" in item.said_by or item.said_by.startswith("ClusterConfiguration")]
    for item in found:
        theirs = [one for one in kubeadm if one.at.path == item.at.path] or kubeadm
        other = next(iter(theirs), None)
        same = any(one.value.strip(".") == item.value.strip(".") for one in theirs)
        if item not in kubeadm and other is not None and not same:
            yield RULE.finding(
                item.at,
                f"the kubelet's domain is {item.value}, the cluster's is {other.value}",
                related=[(other.at, f"{other.said_by} says {other.value}")],
            )


RULE = Rule("cluster-dns-outside-services", Severity.ERROR, __doc__, check)
