"""The MTU that a network system is told leaves no room for its own encapsulation.

## What it finds
MTUs in the configuration of flannel, Calico, Cilium, Kube-OVN, OVN-Kubernetes and Weave that are larger than the smallest MTU of the nodes' uplinks less the encapsulation's overhead;
Calico's MTU for pods that is larger than its tunnels'; and the `mtu` of a node's CNI configuration that is larger than the tunnel, or the uplink, that its packets to other nodes leave by.

## Why it matters
Packets of full size are fragmented or dropped at the tunnel: small requests work, downloads and TLS hang.

## Example
    mtu="1500"          # Geneve over uplinks of 1500

## How to mend
Set the MTU to the uplink's less the overhead (VXLAN and Geneve 50, OVN 100, IPIP 20, WireGuard 60; over IPv6 20 more), or leave it to the system to find out.

## Sources
flannel-io/flannel pkg/backend/vxlan, projectcalico/calico felix/dataplane/linux (MTU auto-detection), ovn-kubernetes docs, kubeovn/kube-ovn pkg/daemon/config.go, weaveworks/weave site/kubernetes/kube-addon.md.
"""

from collections.abc import Iterator

from analyzer.query.systems.overheads import configured, of_files, smallest_uplink, tunnel_of_pods
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    uplink = smallest_uplink(network)
    for item in configured(network):
        if uplink is not None and item.mtu > uplink.mtu - item.overhead:
            leaves = f"{item.encapsulation} leaves {uplink.mtu - item.overhead} of" if item.overhead else "there is"
            yield RULE.finding(
                item.setting.at,
                f"{item.setting.said_by} says MTU {item.mtu}, and {leaves} {uplink.words}",
                related=[(uplink.at, f"{uplink.words}")],
                help=f"set it to {uplink.mtu - item.overhead} or less",
            )
    for one in of_files(network):
        yield RULE.finding(
            one.at,
            f"{one.title} gives pods MTU {one.mtu}, and {one.way.name}, their way to other nodes, carries {one.way.mtu}",
            related=[(one.way.at, f"{one.way.name} has mtu {one.way.mtu}")],
            help=f"set it to {one.way.mtu} and recreate the pods",
        )
    for pods, tunnel in tunnel_of_pods(network):
        yield RULE.finding(
            pods.at,
            f"{pods.said_by} gives pods MTU {pods.value}, and the tunnels have {tunnel.value} by {tunnel.said_by}",
            related=[(tunnel.at, f"{tunnel.said_by} says {tunnel.value}")],
        )


RULE = Rule("overlay-mtu-configured-too-large", Severity.WARNING, __doc__, check)
