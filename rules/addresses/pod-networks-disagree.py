"""The CNI's pod network is not the one that Kubernetes is told.

## What it finds
A network of the CNI (flannel's `Network`, Calico's IPPools, Cilium's cluster pool, Weave's range, OVN-Kubernetes' networks, Nodes' `podCIDRs`) that lies outside what kube-proxy (`clusterCIDR`), the
controller manager (`--cluster-cidr`, also in kubeadm's `extraArgs`) or kubeadm (`podSubnet`) call the pod network; a `podSubnet` of kubeadm that lies outside kube-proxy's `clusterCIDR`.

## Why it matters
kube-proxy takes pods outside its `clusterCIDR` for strangers and masquerades them; flannel masquerades or drops what lies outside its `Network`; nodes get blocks that the CNI refuses.

## Example
    net-conf.json: "Network": "10.244.0.0/16"
    --cluster-cidr=10.32.0.0/12

## How to mend
Write the same network everywhere, and restart flannel, kube-proxy and the controller manager.

## Sources
projectcalico/calico#2252, flannel-io/flannel#1224.
"""

from collections.abc import Iterator

from analyzer.query.plan import Range
from analyzer.rule import Finding, Network, Rule, Severity

KUBEADM = ("ConfigMap kubeadm-config", "ClusterConfiguration ")
KUBE_PROXY = ("ConfigMap kube-proxy", "KubeProxyConfiguration ")
KUBERNETES = ("--cluster-cidr", *KUBEADM, *KUBE_PROXY)
# Systems whose pods all have addresses of the network that Kubernetes is told. Kube-OVN and Cilium may have further pools.
WHOLE = ("calico", "ovn-kubernetes", "romana", "weave")
FLANNEL = "ConfigMap kube-flannel-cfg"
PLUGINS = ("ConfigMap", "IPPool")


def check(network: Network) -> Iterator[Finding]:
    pods = [item for item in network.cluster.ranges if item.purpose == "pod"]
    told = [item for item in pods if item.said_by.startswith(KUBERNETES)]
    plugin = [item for item in pods if (item.said_by.startswith(PLUGINS) or item.system in WHOLE) and item not in told]
    yield from outside(plugin, told, Severity.ERROR)
    yield from outside(told, [item for item in told if item.said_by.startswith(KUBERNETES[0])], Severity.ERROR)
    kubeadm = [item for item in told if item.said_by.startswith(KUBEADM)]
    yield from outside(kubeadm, [item for item in told if item.said_by.startswith(KUBE_PROXY)], Severity.ERROR)
    if not plugin or any(item.said_by.startswith(FLANNEL) for item in plugin):
        yield from nodes(pods, [*told, *plugin])


def outside(inner: list[Range], outer: list[Range], severity: Severity) -> Iterator[Finding]:
    """Networks that no network of one of the outer speakers holds."""
    for speaker in sorted({item.said_by for item in outer}):
        mine = [item for item in outer if item.said_by == speaker]
        for item in inner:
            same = [one for one in mine if one.prefix.family == item.prefix.family]
            if item.said_by != speaker and same and not any(one.prefix.covers(item.prefix) for one in same):
                yield RULE.finding(
                    item.at,
                    f"{item.said_by} says {item.prefix}, which is not within {same[0].prefix} of {speaker}",
                    related=[(same[0].at, f"{speaker} says {same[0].prefix}")],
                    help="write the same pod network everywhere",
                    severity=severity,
                )


def nodes(pods: list[Range], wide: list[Range]) -> Iterator[Finding]:
    """Nodes' networks outside the cluster's."""
    for item in pods:
        same = [one for one in wide if one.prefix.family == item.prefix.family]
        if item.said_by.startswith("Node ") and same and not any(one.prefix.covers(item.prefix) for one in same):
            yield RULE.finding(
                item.at,
                f"{item.said_by} is {item.prefix}, which is not within {same[0].prefix} of {same[0].said_by}",
                related=[(same[0].at, f"{same[0].said_by} says {same[0].prefix}")],
                help="let the node join anew, or correct the cluster's pod network",
            )


RULE = Rule("pod-networks-disagree", Severity.ERROR, __doc__, check)
