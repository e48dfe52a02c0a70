"""kube-proxy in iptables mode."""

from __future__ import annotations

from tests.systems import System

SYSTEM = System(
    title="kube-proxy in iptables mode",
    order=30,
    parsers=(
        "iptables-save",
        "iptables-list",
        "conntrack",
        "sysctl",
        "kubernetes",
    ),
    settings=("kubernetes",),
    rules=(
        "kube-proxy-config-refused",
        "service-*",
        "stale-*",
        "local-policy-without-endpoint",
        "leftover-proxy-mode",
        "two-iptables-back-ends",
        "two-service-proxies",
        "endpoint-not-served",
        "endpoints-chosen-unevenly",
        "session-affinity-lost",
        "proxy-without-pod-network",
        "endpoint-is-service-address",
        "mark-bits-shared",
    ),
    decided=(
        "healthy/k3s-kube-router.txt",
        "truth/flannel-vxlan-services.txt",
    ),
    samples=("truth/*-services*.txt",),
    scenarios=(
        "flannel-vxlan-services",
        "flannel-vxlan-services-legacy",
        "host-gw-services",
        "calico-services",
        "ptp-services",
    ),
    real=("kubeproxy/kubernetes-kubernetes/iptables-*/**/*",),
    limits="The health check port of a load balancer's service is not asked.",
)
