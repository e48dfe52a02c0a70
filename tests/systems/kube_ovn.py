"""Kube-OVN."""

from __future__ import annotations

from tests.systems import OPEN_VSWITCH, OVN, System

SYSTEM = System(
    title="Kube-OVN",
    order=9,
    parsers=("cni-config", *OPEN_VSWITCH, *OVN, "ip-addr", "ip-route", "iptables-save", "ipset", "kubernetes"),
    plugins=("kube-ovn",),
    profile="kube-ovn",
    settings=("kube_ovn",),
    rules=(
        "address-set-incomplete",
        "cni-config-refused",
        "kube-ovn-*",
        "switch-*",
        "chassis-*",
        "logical-*",
        "inner-network-overlaps",
        "overlay-mtu-configured-too-large",
        "pod-address-not-recorded",
        "fixed-address-refused",
        "rolling-update-without-address",
        "address-recorded-twice",
        "address-record-without-pod",
        "addresses-not-enough",
    ),
    samples=(
        "ipam/kube-ovn-*.txt",
        "plan/kube-ovn.yaml",
        "rules/cni-config-refused.*.txt",
        "rules/kube-ovn-*.txt",
        "policies/kube-ovn-*/*",
        "truth/kube-ovn.txt",
    ),
    decided=("truth/kube-ovn.txt",),
    real=(
        "manifests/kubeovn-kube-ovn/yamls/*",
        "cni-conf/kubeovn-kube-ovn/**/*.conflist",
    ),
    tests=(
        "test_ipam",
        "test_choices",
        "test_ovs",
        "test_ovn_lab",
        "test_kube_ovn_lab",
        "test_enforced",
        "test_kube_ovn_groups",
    ),
    limits="Flows of Open vSwitch are walked and decided as for OVN-Kubernetes, with the same limits. The network of the lab has the router, subnets, policies, routes, sets and rules that its controller and daemon make, put there by hand after their source, with real OVN: neither of them runs, and gateways are distributed; centralized ones, VLAN subnets and ECMP are not tried. VPC gateways, EIPs and their rules are held against each other, and their packets not walked; security groups are policies here, and held against the ACLs of the database by their names only.",
)
