"""Antrea."""

from __future__ import annotations

from tests.systems import OPEN_VSWITCH, System

SYSTEM = System(
    title="Antrea",
    order=13,
    parsers=("cni-config", *OPEN_VSWITCH, "ip-addr", "ip-route", "iptables-save", "ipset", "kubernetes"),
    profile="antrea",
    rules=("switch-*", "inner-network-overlaps", "overlay-mtu-configured-too-large", "address-recorded-twice"),
    samples=("policies/antrea-*/*", "captures/antrea-support-bundle.txt"),
    real=("manifests/antrea-io-antrea/**/*",),
    tests=("test_ovs", "test_ovs_agreement", "test_other_version"),
    limits="Flows of Open vSwitch are walked and decided (tunnels whose far end a flow sets, conjunctions, groups, learned flows); no network of Antrea is built in the lab, and no capture of a whole cluster is among the samples. "
    "The settings of its ConfigMap are not held against nodes, and its agent's own listings (`antctl get ovsflows`, `networkpolicy`) are not read; Egress, multicast, Multi-cluster and L7 policies are open.",
)
