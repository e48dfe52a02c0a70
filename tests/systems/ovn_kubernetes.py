"""OVN-Kubernetes."""

from __future__ import annotations

from tests.systems import System

SYSTEM = System(
    title="OVN-Kubernetes",
    order=8,
    parsers=(
        "cni-config",
        "ovs-show",
        "ovs-flows",
        "ovs-list",
        "ovs-ports",
        "ovs-groups",
        "ip-addr",
        "ip-route",
        "nft",
        "iptables-save",
        "kubernetes",
    ),
    plugins=("ovn-k8s-cni-overlay",),
    profile="ovn-kubernetes",
    settings=("ovn_kubernetes",),
    rules=(
        "tunnel-*",
        "inner-network-overlaps",
        "overlay-mtu-configured-too-large",
        "pod-networks-disagree",
    ),
    decided=("healthy/ovn-kubernetes.txt",),
    samples=(
        "plan/ovn-kubernetes.yaml",
        "policies/ovn-kubernetes-*/*",
    ),
    real=("manifests/ovn-kubernetes-ovn-kubernetes/**/*",),
    limits="What Open vSwitch does on a node is open: guarantees about packets are undecided there. OVN's logical objects are not read.",
)
