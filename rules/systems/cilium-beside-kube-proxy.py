"""Rules of kube-proxy translate services on a node where Cilium replaces it.

## What it finds
A node whose Cilium says that it replaces kube-proxy (`KubeProxyReplacement: True`), and whose rulesets have chains `KUBE-SVC-…` with rules. The chains that the kubelet makes itself (`KUBE-KUBELET-CANARY`, `KUBE-FIREWALL`) are none of these.

## Why it matters
What Cilium does not translate at sockets and pods' devices (packets that the node forwards, node ports) goes through both: rules that nobody updates any more send connections to endpoints that are gone.

## Example
    KubeProxyReplacement:    True   [eth0]            # and -A KUBE-SVC-… in iptables-save

## How to mend
Remove kube-proxy's DaemonSet, and its rules: `iptables-save | grep -v KUBE | iptables-restore` (or reboot the node).

## Sources
cilium/cilium Documentation/network/kubernetes/kubeproxy-free.rst; kubernetes/kubernetes#102314.
"""

from collections.abc import Iterator

from analyzer.query.cilium import agents
from analyzer.query.tables import chains
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for state in agents(network):
        if not state.setup.replacement:
            continue
        for family in (4, 6):
            found = next(
                (
                    one
                    for _, one in chains(network.namespaces[state.scope], "nat", family)
                    if one.name.startswith("KUBE-SVC-") and len(one.rules)
                ),
                None,
            )
            if found is not None:
                yield RULE.finding(
                    found.at,
                    f"{state.scope} has rules of kube-proxy ({found.name}) while Cilium replaces it",
                    help="remove kube-proxy and its rules",
                )
                break


RULE = Rule("cilium-beside-kube-proxy", Severity.WARNING, __doc__, check)
