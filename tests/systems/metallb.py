"""MetalLB."""

from __future__ import annotations

from tests.systems import System

SYSTEM = System(
    title="MetalLB",
    order=28,
    parsers=("kubernetes", "frr-config", "frr-routes", "bgp-summary", "bgp-table"),
    settings=("metallb",),
    rules=(
        "metallb-object-refused",
        "load-balancer-address-unannounced",
        "strict-arp-off",
        "inner-network-overlaps",
        "bgp-as-number-wrong",
        "bgp-session-down",
    ),
    samples=(
        "healthy/ipvs-metallb.txt",
        "rules/metallb-object-refused.*.txt",
        "rules/load-balancer-address-unannounced.*.txt",
        "rules/strict-arp-off.*.txt",
    ),
    limits="Which node announces an address is not known; sessions are those of FRR, where its listings were captured (the speaker's own BGP lists none); configurations of FRR that MetalLB writes (frr-k8s) are not read.",
)
