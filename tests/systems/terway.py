"""Terway."""

from __future__ import annotations

from tests.systems import System

SYSTEM = System(
    title="Terway",
    order=10,
    parsers=(
        "cni-config",
        "ip-addr",
        "ip-route",
        "ip-rule",
        "ip-neigh",
        "tc-filter",
        "kubernetes",
    ),
    plugins=("terway",),
    profile="terway",
    settings=("terway",),
    rules=(
        "cni-config-refused",
        "gateway-mac-stale",
        "terway-*",
        "address-recorded-twice",
        "address-record-without-pod",
        "service-networks-disagree",
    ),
    samples=(
        "plan/terway.yaml",
        "rules/gateway-mac-stale.*.txt",
        "rules/terway-pod-rule-missing.*.txt",
        "truth/terway-*.txt",
    ),
    decided=("truth/terway-felix.txt",),
    scenarios=("terway", "terway-felix"),
    tests=("test_enforced", "test_reverse_path"),
    real=("manifests/AliyunContainerService-terway/*.yml",),
    limits="Veth and policy routing are tried in the lab, with the cloud's network as a router that is captured; where it is not, what it does with packets to pods is open. Of the cloud only what PodENIs and Terway's Node objects say of addresses is read (no route tables, no security groups). IPVLAN and trunk interfaces with VLAN tags are not tried (the lab's kernel has neither device); what tc's programs take off and put on is open.",
)
