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
    ),
    real=("manifests/AliyunContainerService-terway/*.yml",),
    limits="Of the cloud only what PodENIs and Terway's Node objects say of addresses is read (no route tables, no security groups); the shape of its nodes, a veth with routing rules by source, is tried with AWS VPC CNI's sample, which has the same.",
)
