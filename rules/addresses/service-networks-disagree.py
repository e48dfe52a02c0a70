"""Components are told different service networks.

## What it finds
Service networks of kubeadm, the API server, the controller manager, kube-router, Kube-OVN, OVN-Kubernetes and Terway of one family, none of which holds the other; kubeadm's `serviceSubnet`, and what
its `extraArgs` tell the API server instead.

## Why it matters
Addresses of services outside what the network system is told are not routed to its proxy, or its firewall rejects them.

## Example
    kube-apiserver --service-cluster-ip-range=10.96.0.0/12       kube-router --service-cluster-ip-range=10.100.0.0/16

## How to mend
Tell every component what the API server has.

## Sources
cloudnativelabs/kube-router docs/user-guide.md; kubeovn/kube-ovn pkg/controller/config.go; AliyunContainerService/terway types/daemon/config.go.
"""

from collections.abc import Iterator

from analyzer.query.plan import Range
from analyzer.rule import Finding, Network, Rule, Severity

SERVER = (
    "--service-cluster-ip-range of kube-apiserver",
    "--service-cluster-ip-range of Pod kube-apiserver",
    "ClusterConfiguration ",
    "ConfigMap kubeadm-config",
    "ServiceCIDR ",
)


BY_KUBEADM = "--service-cluster-ip-range of kube-apiserver by ClusterConfiguration"


def check(network: Network) -> Iterator[Finding]:
    found = [item for item in network.cluster.ranges if item.purpose == "service" and not item.said_by.startswith("Service ")]
    server = [item for item in found if item.said_by.startswith(SERVER)]
    for item in found:
        told = server if item not in server else [one for one in server if one.said_by == BY_KUBEADM and one is not item]
        same = [one for one in told if one.prefix.family == item.prefix.family]
        if same and not any(holds(one, item) for one in same):
            yield RULE.finding(
                item.at,
                f"{item.said_by} says {item.prefix}, and {same[0].said_by} says {same[0].prefix}",
                related=[(same[0].at, f"{same[0].said_by} says {same[0].prefix}")],
                help="tell every component the service network of the API server",
            )


def holds(server: Range, other: Range) -> bool:
    """Whether what a component is told holds the API server's network: a wider one does no harm."""
    return other.prefix.covers(server.prefix)


RULE = Rule("service-networks-disagree", Severity.ERROR, __doc__, check)
