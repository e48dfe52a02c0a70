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
        "address-set-incomplete",
        "tunnel-*",
        "proxy-arp-off",
        "pod-networks-disagree",
        "flannel-config-refused",
        "cni-config-refused",
        "flannel-*",
    ),
    decided=("truth/canal.txt",),
    samples=(
        "plan/flannel.yaml",
        "rules/proxy-arp-off.*.txt",
        "rules/tunnel-forwarding-wrong.*.txt",
    ),
    scenarios=("canal",),
    real=("manifests/projectcalico-calico/**/*canal*.yaml",),
    limits="The networks of the lab have flannel's tunnel, Calico's interfaces and Felix's rules, put there by hand: neither daemon runs.",
)
