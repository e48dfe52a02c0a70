"""Multus."""

from __future__ import annotations

from tests.systems import System

SYSTEM = System(
    title="Multus",
    order=26,
    parsers=(
        "cni-config",
        "kubernetes",
    ),
    plugins=("multus",),
    rules=(
        "network-attachment-missing",
        "second-network-hides-cluster",
        "cni-*",
        "addresses-not-enough",
    ),
    samples=(
        "rules/network-attachment-missing.*.txt",
        "policies/networks/*",
    ),
    real=(
        "cni-conf/k8snetworkplumbingwg-multus-cni/**/*.yml",
        "netpol/np-guard-netpol-analyzer/tests/nad_test_*/*.yaml",
    ),
    tests=("test_cni",),
    limits="Its status annotation is not compared with the interfaces; which default route a pod with several networks keeps is read from the pod's namespace alone.",
)
