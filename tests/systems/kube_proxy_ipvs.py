"""kube-proxy in IPVS mode."""

from __future__ import annotations

from tests.systems import System

SYSTEM = System(
    title="kube-proxy in IPVS mode",
    order=31,
    parsers=(
        "ipvs",
        "iptables-save",
        "ipset",
        "ip-addr",
        "sysctl",
        "kubernetes",
    ),
    settings=("kubernetes",),
    rules=(
        "kube-proxy-config-refused",
        "ipvs-address-missing",
        "strict-arp-off",
        "leftover-proxy-mode",
        "two-service-proxies",
        "endpoint-not-served",
        "session-affinity-lost",
    ),
    decided=("healthy/ipvs-metallb.txt", "truth/ipvs-answers-routed-again.txt"),
    samples=("parsers/ipvs/*.txt",),
    real=(
        "kubeproxy/kubernetes-kubernetes/ipvs-state-v1.28/**/*",
        "ipvs/**/*",
    ),
    scenarios=(
        "ipvs",
        "ipvs-dual-stack",
        "ipvs-vxlan-dual-stack",
        "ipvs-ptp",
    ),
    limits="What IPVS sends through tunnels, packet by packet, and without telling conntrack is walked; the language leaves it open.",
)
