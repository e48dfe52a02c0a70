"""Weave Net."""

from __future__ import annotations

from tests.systems import System

SYSTEM = System(
    title="Weave Net",
    order=7,
    parsers=(
        "cni-config",
        "ip-addr",
        "ip-route",
        "bridge-fdb",
        "bridge-link",
        "iptables-save",
        "ipset",
        "kubernetes",
        "weave-report",
        "weave-status",
    ),
    plugins=(
        "weave-net",
        "portmap",
    ),
    profile="weave",
    settings=("weave",),
    rules=(
        "weave-*",
        "leftover-cni",
        "bridge-skips-iptables",
        "hairpin-off",
        "pod-networks-disagree",
        "overlay-mtu-configured-too-large",
        "mark-bits-shared",
    ),
    decided=("truth/weave-policies.txt",),
    samples=(
        "plan/weave.yaml",
        "parsers/weave-*/*",
        "rules/weave-*.txt",
        "rules/bridge-skips-iptables.*.txt",
        "truth/weave-policies*.txt",
    ),
    scenarios=("weave-policies",),
    tests=("test_enforced",),
    real=("manifests/weaveworks-weave/**/*.yaml",),
    limits="What fast datapath and sleeve do between nodes is not in the kernel's tables and is open: of it only what peers say of their connections is known.",
)
