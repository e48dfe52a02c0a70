"""Kube-router."""

from __future__ import annotations

from tests.systems import System

SYSTEM = System(
    title="Kube-router",
    order=5,
    parsers=(
        "cni-config",
        "ip-addr",
        "ip-route",
        "ip-rule",
        "rt-tables",
        "ipset",
        "iptables-save",
        "ipvs",
        "kubernetes",
    ),
    plugins=(
        "bridge",
        "portmap",
    ),
    profile="kube-router",
    settings=("kube_router",),
    rules=(
        "leftover-cni",
        "ipvs-address-missing",
        "bgp-mesh-incomplete",
        "two-service-proxies",
        "service-networks-disagree",
        "kube-router-*",
        "mark-bits-shared",
    ),
    decided=("healthy/k3s-kube-router.txt",),
    samples=(
        "plan/kube-router.yaml",
        "healthy/k3s-kube-router.txt",
    ),
    real=("manifests/cloudnativelabs-kube-router/**/*.yaml",),
    limits="BGP sessions are not read, only the routes that they gave; FoU tunnels are read as devices and not as packets; the sample has kube-router's firewall beside flannel's tunnels, as k3s ships it.",
)
