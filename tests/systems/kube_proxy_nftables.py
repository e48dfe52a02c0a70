"""kube-proxy in nftables mode."""

from __future__ import annotations

from tests.systems import System

SYSTEM = System(
    title="kube-proxy in nftables mode",
    order=32,
    parsers=(
        "nft",
        "conntrack",
        "kubernetes",
    ),
    settings=("kubernetes",),
    rules=(
        "kube-proxy-config-refused",
        "service-without-endpoints",
        "stale-*",
        "two-service-proxies",
        "endpoint-not-served",
    ),
    decided=("truth/ptp-nftables.txt",),
    samples=("parsers/nft/*.txt",),
    scenarios=(
        "flannel-vxlan-nftables",
        "ptp-nftables",
        "dual-stack-nftables",
    ),
    real=("kubeproxy/kubernetes-kubernetes/nftables-flow-v1.30/*",),
    limits="Flowtables are read and not followed.",
)
