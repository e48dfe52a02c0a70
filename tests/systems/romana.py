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
        "romana-blocks",
    ),
    profile="romana",
    plugins=("portmap",),
    settings=("romana",),
    rules=(
        "rule-hides-pod-routes",
        "romana-*",
        "pod-network-route-*",
        "pod-networks-disagree",
    ),
    samples=(
        "plan/romana.yaml",
        "rules/rule-hides-pod-routes.*.txt",
        "rules/romana-block-misrouted.*.txt",
    ),
    real=("manifests/romana-romana/**/*.yml",),
    limits="The project has ended; its policies are kept by its own service and are not read, its topology where a ConfigMap has it, its blocks and hosts where the answers of its service were saved; no capture of a whole cluster is among the samples: its nodes' routing rules, routes and chains are read as any node's.",
)
