"""kube-proxy does not know which packets are pods', and masquerades nothing that others send to services.

## What it finds
Chains of services (`KUBE-SVC-…`) without any rule that marks for masquerading what does not come from pods (`! -s <pod network>`, `! -i <bridge>`); and in manifests a kube-proxy configuration with an
empty `clusterCIDR` and no other `detectLocalMode`.

## Why it matters
What a node, or a machine outside that routes the service network to a node, sends to a cluster address reaches pods of other nodes with the sender's own address. Where the answer takes another way back, the connection
hangs: a node with several addresses, a pod that answers by another gateway.

## Example
    clusterCIDR: ""          # and detectLocalMode: "" in ConfigMap kube-system/kube-proxy

## How to mend
Set `clusterCIDR` to the pod network, or `detectLocalMode` to NodeCIDR, BridgeInterface or InterfaceNamePrefix with its option. Where the network routes pods' addresses, as cloud networks do, all is well.

## Sources
kubernetes/kubernetes#36835, #36652, #44916; pkg/proxy/iptables/proxier.go (writeServiceToEndpointRules), cmd/kube-proxy/app/server_linux.go (getLocalDetector).
"""

from collections.abc import Iterator

from analyzer.query.local_traffic import unmarked, untold
from analyzer.query.state import roots
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    told = list(untold(network))
    captured = list(roots(network))
    known: dict[str, bool] = {}
    for root in captured:
        if (at := unmarked(root, known)) is not None:
            yield RULE.finding(
                at,
                f"kube-proxy on {root.scope.node} marks nothing for masquerading that others than pods send to services",
                related=[(one.at, "it is told of no network of pods") for one in told],
                note="fine where answers come back the same way, as in networks that route pods' addresses",
                help="set clusterCIDR, or another detectLocalMode, in kube-proxy's configuration",
                certain=not root.gaps.get("iptables-save"),
            )
    for one in told if not captured and network.cluster.ranges else ():
        if one.mode in ("", "iptables", "nftables"):
            yield RULE.finding(
                one.at,
                "kube-proxy is told of no network of pods: it masquerades nothing that others send to services",
                note="fine in networks that route pods' addresses, or where kube-proxy has the flag",
                help="set clusterCIDR, or another detectLocalMode",
                certain=False,
            )


RULE = Rule("proxy-without-pod-network", Severity.NOTE, __doc__, check)
