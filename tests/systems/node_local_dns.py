"""NodeLocal DNS."""

from __future__ import annotations

from tests.systems import System

SYSTEM = System(
    title="NodeLocal DNS",
    order=41,
    parsers=(
        "ip-addr",
        "iptables-save",
        "resolv-conf",
        "kubernetes",
    ),
    rules=(
        "resolver-is-not-cluster-dns",
        "policy-blocks-dns",
        "cluster-dns-outside-services",
    ),
    decided=("healthy/flannel-docker-nodelocaldns.txt",),
    samples=("healthy/flannel-docker-nodelocaldns.txt",),
    limits="What the cache answers is not known: a question that reaches it has arrived.",
)
