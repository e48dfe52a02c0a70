"""Chained CNI plugins."""

from __future__ import annotations

from tests.systems import System

SYSTEM = System(
    title="Chained CNI plugins",
    order=22,
    parsers=(
        "cni-config",
        "iptables-save",
        "tc-qdisc",
        "tc-filter",
        "sysctl",
        "ip-rule",
    ),
    plugins=(
        "portmap",
        "bandwidth",
        "tuning",
        "firewall",
        "sbr",
        "vrf",
    ),
    rules=(
        "cni-chain-order",
        "cni-version-unsupported",
        "cni-capability-missing",
        "cni-config-*",
        "host-port-conflict",
    ),
    decided=("truth/flannel-vxlan-hostport.txt",),
    samples=(
        "rules/cni-chain-order.*.txt",
        "rules/cni-version-unsupported.*.txt",
    ),
    scenarios=(
        "flannel-vxlan-hostport",
        "bridge-two",
    ),
    real=("cni-conf/**/*.conflist",),
    tests=("test_cni_binaries",),
    limits="Rates are not decided: a limit delays and drops packets, and does not forbid them; VRF devices in pods are open.",
)
