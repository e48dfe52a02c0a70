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
        "gobgp-neighbors",
        "gobgp-rib",
    ),
    plugins=(
        "bridge",
        "portmap",
    ),
    profile="kube-router",
    settings=("kube_router",),
    rules=(
        "address-set-incomplete",
        "leftover-cni",
        "ipvs-address-missing",
        "bgp-*",
        "two-service-proxies",
        "service-networks-disagree",
        "kube-router-*",
        "mark-bits-shared",
        "pods-routed-without-tunnel",
        "accept-before-service-firewall",
    ),
    decided=(
        "healthy/k3s-kube-router.txt",
        "truth/kube-router-policies.txt",
    ),
    samples=(
        "plan/kube-router.yaml",
        "parsers/gobgp-*/*",
        "rules/bgp-*.txt",
        "healthy/k3s-kube-router.txt",
        "truth/kube-router-policies*.txt",
    ),
    scenarios=("kube-router-policies", "tunnel-kube-router"),
    tests=("test_enforced",),
    real=("manifests/cloudnativelabs-kube-router/**/*.yaml",),
    limits="Sessions and routes of GoBGP are read where they were captured, its policies are not; FoU tunnels are read as devices and not as packets; the sample has kube-router's firewall beside flannel's tunnels, as k3s ships it.",
)
