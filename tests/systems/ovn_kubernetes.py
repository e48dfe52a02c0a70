"""OVN-Kubernetes."""

from __future__ import annotations

from tests.systems import OPEN_VSWITCH, OVN, System

SYSTEM = System(
    title="OVN-Kubernetes",
    order=8,
    parsers=("cni-config", *OPEN_VSWITCH, *OVN, "ovsdb-file", "ip-addr", "ip-route", "nft", "iptables-save", "kubernetes"),
    plugins=("ovn-k8s-cni-overlay",),
    profile="ovn-kubernetes",
    settings=("ovn_kubernetes",),
    rules=(
        "tunnel-*",
        "switch-*",
        "chassis-address-shared",
        "logical-address-shared",
        "inner-network-overlaps",
        "overlay-mtu-configured-too-large",
        "pod-networks-disagree",
    ),
    decided=("healthy/ovn-kubernetes.txt", "truth/ovn.txt"),
    samples=(
        "plan/ovn-kubernetes.yaml",
        "policies/ovn-kubernetes-*/*",
    ),
    real=("manifests/ovn-kubernetes-ovn-kubernetes/**/*",),
    tests=("test_ovs", "test_ovs_agreement", "test_ovn_lab"),
    limits="IPv6 through OVN (its controller answers neighbour discovery), MPLS and NSH are open; learned flows, conntrack labels and pings that a switch answers itself are walked, and open in guarantees. Verdicts come from the flows of the switches: logical flows are read, and not held against them.",
)
