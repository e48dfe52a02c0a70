"""Cilium."""

from __future__ import annotations

from tests.systems import System

SYSTEM = System(
    title="Cilium",
    order=4,
    parsers=("cni-config", "ip-addr", "ip-route", "ip-rule", "tc-filter", "kubernetes"),
    plugins=("cilium-cni",),
    profile="cilium",
    settings=("cilium",),
    rules=(
        "cilium-*",
        "two-service-proxies",
        "inner-network-overlaps",
        "overlay-port-shared",
        "address-recorded-twice",
        "address-record-without-pod",
    ),
    decided=("healthy/cilium-vxlan.txt",),
    samples=(
        "plan/cilium.yaml",
        "policies/cilium-*/*",
    ),
    real=(
        "cilium-policy/**/*.yaml",
        "manifests/kubernetes-kops/privatecilium/*",
    ),
    limits="What Cilium's eBPF programs do on a node is open: guarantees about packets are undecided there.",
)
