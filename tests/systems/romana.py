"""Romana."""

from __future__ import annotations

from tests.systems import System

SYSTEM = System(
    title="Romana",
    order=6,
    parsers=(
        "cni-config",
        "ip-addr",
        "ip-route",
        "ip-rule",
        "rt-tables",
        "iptables-save",
        "ipset",
        "kubernetes",
    ),
    profile="romana",
    plugins=("portmap",),
    rules=(
        "rule-hides-pod-routes",
        "pod-network-route-*",
    ),
    samples=("rules/rule-hides-pod-routes.*.txt",),
    real=("manifests/romana-romana/**/*.yml",),
    limits="The project has ended; its blocks, topology and policies are JSON of its own service and are not read, and no capture of it is among the samples: its nodes' routing rules, routes and chains are read as any node's.",
)
