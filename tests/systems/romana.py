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
        "rules/romana-*.txt",
        "truth/romana-*.txt",
    ),
    decided=("truth/romana-policies.txt",),
    scenarios=("romana", "romana-policies", "romana-tenants"),
    tests=("test_enforced",),
    real=("manifests/romana-romana/**/*.yml",),
    limits="The project has ended; policies in its own service are not read, those of Kubernetes are, its topology where a ConfigMap has it, its blocks and hosts where the answers of its service were saved. The networks of the lab have its routes, rules, sets and chains, put there by hand after its source: the agent does not run, and the gateway's device is a bridge where the kernel has no dummy devices. Routes that a publisher (BIRD, Quagga) adds are read as any routes.",
)
