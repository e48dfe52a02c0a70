"""CoreDNS."""

from __future__ import annotations

from tests.systems import System

SYSTEM = System(
    title="CoreDNS",
    order=40,
    parsers=(
        "kubernetes",
        "resolv-conf",
        "iptables-save",
    ),
    settings=("kubernetes",),
    rules=(
        "dns-forwards-to-itself",
        "cluster-domain-unserved",
        "resolver-is-not-cluster-dns",
        "policy-blocks-dns",
        "cluster-dns-outside-services",
    ),
    samples=(
        "rules/dns-forwards-to-itself.*.txt",
        "rules/cluster-domain-unserved.*.txt",
        "rules/resolver-is-not-cluster-dns.*.txt",
    ),
    limits="Of a Corefile the zones and where it forwards to are read; answers are not.",
)
