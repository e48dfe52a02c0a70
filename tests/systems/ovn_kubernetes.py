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
        "ovn-node-annotation-wrong",
        "ovn-kubernetes-config-refused",
        "node-pod-networks-overlap",
        "tunnel-*",
        "switch-*",
        "chassis-*",
        "logical-*",
        "inner-network-overlaps",
        "overlay-mtu-configured-too-large",
        "pod-networks-disagree",
    ),
    decided=("healthy/ovn-kubernetes.txt", "truth/ovn.txt"),
    samples=(
        "rules/ovn-node-annotation-wrong.*.txt",
        "plan/ovn-kubernetes.yaml",
        "policies/ovn-kubernetes-*/*",
    ),
    real=("manifests/ovn-kubernetes-ovn-kubernetes/**/*",),
    tests=("test_ovs", "test_ovs_agreement", "test_ovn_lab", "test_ovn_policies_lab", "test_other_version"),
    limits="MPLS and NSH are open, and so is what OVN's controller does but for answering neighbour discovery and refusing packets (asking for a router's unknown neighbour, DHCP, DNS); conntrack labels and pings that a switch answers itself are walked, and open in guarantees. "
    "Verdicts come from the flows of the switches. Ports, chassis, neighbours and load balancers of the databases are held against them; ACLs against the policies, by their owners' names and not by what they match; logical flows are read, and held against nothing.",
)
