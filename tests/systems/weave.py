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
    ),
    plugins=(
        "weave-net",
        "portmap",
    ),
    profile="weave",
    settings=("weave",),
    rules=(
        "leftover-cni",
        "bridge-skips-iptables",
        "hairpin-off",
        "pod-networks-disagree",
        "overlay-mtu-configured-too-large",
        "mark-bits-shared",
    ),
    samples=(
        "plan/weave.yaml",
        "rules/bridge-skips-iptables.*.txt",
    ),
    real=("manifests/weaveworks-weave/**/*.yaml",),
    limits="What fast datapath and sleeve do between nodes is not in the kernel's tables and is open; the ring of `weave report` is not read.",
)
