"""Canal."""

from __future__ import annotations

from tests.systems import System

SYSTEM = System(
    title="Canal",
    order=3,
    parsers=(
        "cni-config",
        "subnet-env",
        "ip-addr",
        "ip-route",
        "ip-neigh",
        "bridge-fdb",
        "iptables-save",
        "ipset",
        "kubernetes",
    ),
    plugins=(
        "calico",
        "portmap",
    ),
    profile="canal",
    settings=(
        "flannel",
        "calico",
    ),
    rules=(
        "tunnel-*",
        "proxy-arp-off",
        "pod-networks-disagree",
        "flannel-config-refused",
        "cni-config-refused",
        "flannel-*",
    ),
    samples=(
        "plan/flannel.yaml",
        "rules/proxy-arp-off.*.txt",
        "rules/tunnel-forwarding-wrong.*.txt",
    ),
    real=("manifests/projectcalico-calico/**/*canal*.yaml",),
    limits="There is no whole capture of a Canal cluster among the samples: its halves, flannel's tunnel and Calico's interfaces and chains, are tried each by itself.",
)
