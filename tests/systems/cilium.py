"""Cilium."""

from __future__ import annotations

from tests.systems import System

SYSTEM = System(
    title="Cilium",
    order=4,
    parsers=(
        *("cni-config", "ip-addr", "ip-route", "ip-rule", "tc-filter", "kubernetes"),
        *(
            "cilium-ipcache",
            "cilium-tunnel",
            "cilium-endpoint-map",
            "cilium-lb",
            "cilium-lb-parts",
            "cilium-source-ranges",
            "cilium-egress",
            "cilium-config",
            "cilium-addresses",
            "cilium-policy",
            "cilium-connections",
        ),
        *(
            "cilium-endpoints",
            "cilium-services",
            "cilium-identities",
            "cilium-nodes",
            "cilium-status",
            "cilium-encrypt",
            "cilium-bgp-peers",
            "cilium-bgp-routes",
            "dns-names",
        ),
    ),
    plugins=("cilium-cni",),
    profile="cilium",
    settings=("cilium",),
    rules=(
        "address-set-incomplete",
        "cilium-*",
        "bgp-session-down",
        "two-service-proxies",
        "inner-network-overlaps",
        "overlay-port-shared",
        "address-recorded-twice",
        "address-record-without-pod",
        "masquerade-exclusion-too-wide",
        "mtu-differs-between-nodes",
    ),
    decided=("healthy/cilium-vxlan.txt", "healthy/cilium-maps.txt", "healthy/cilium-native-policies.txt"),
    samples=(
        "plan/cilium.yaml",
        "ipam/cilium-*.txt",
        "policies/cilium-*/*",
        "clusters/cilium-vxlan",
        "parsers/cilium-*",
    ),
    real=(
        "cilium-policy/**/*.yaml",
        "manifests/kubernetes-kops/privatecilium/*",
    ),
    tests=("test_cilium", "test_cilium_outside", "test_cilium_capture"),
    limits="eBPF programs are not read: what they do is modelled from their maps, and named as an assumption; without the maps it is open. Open as well: services from outside "
    "(node ports, external addresses) where packets go by the host's stack (legacy host routing) or backends of other nodes answer themselves (DSR), what egress gateways do with packets (whether they can is told), services for the host's own sockets, L7 proxies, mutual authentication, host policies, an endpoint that reaches itself by a service in IPv6, neighbour discovery of the host where each endpoint has a route, IPsec and WireGuard between nodes. No eBPF runs in the lab: samples are written after the sources.",
)
