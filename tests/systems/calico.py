"""Calico."""

from __future__ import annotations

from tests.systems import System

SYSTEM = System(
    title="Calico",
    order=2,
    parsers=(
        "cni-config",
        "ip-addr",
        "ip-route",
        "ip-neigh",
        "bridge-fdb",
        "iptables-save",
        "ipset",
        "nft",
        "sysctl",
        "kubernetes",
    ),
    plugins=(
        "calico",
        "calico-ipam",
        "portmap",
        "bandwidth",
    ),
    profile="calico",
    settings=("calico",),
    rules=(
        "calico-*",
        "proxy-arp-off",
        "blackhole-hides-pods",
        "pod-route-missing",
        "registered-address-wrong",
        "bgp-mesh-incomplete",
        "overlay-mtu-configured-too-large",
        "overlay-port-shared",
        "pod-address-not-recorded",
        "fixed-address-refused",
        "rolling-update-without-address",
        "mark-bits-shared",
        "address-recorded-twice",
        "address-record-without-pod",
        "addresses-not-enough",
    ),
    decided=(
        "healthy/calico-ipip.txt",
        "healthy/calico-vxlan.txt",
    ),
    samples=(
        "ipam/calico-*.txt",
        "plan/calico.yaml",
        "truth/calico*.txt",
        "policies/calico-*/*",
    ),
    scenarios=(
        "calico",
        "calico-services",
        "calico-policies",
        "calico-services-legacy",
    ),
    real=(
        "manifests/projectcalico-calico/**/*.yaml",
        "bgp/projectcalico-calico/**/input.yaml",
        "calico-policy/**/*.yaml",
        "iptables/projectcalico-calico/**/*",
    ),
    tests=(
        "test_ipam",
        "test_choices",
    ),
    limits="Routes are read as the kernel holds them: which of them BIRD would export is not decided; the maps of the eBPF dataplane are not read.",
)
