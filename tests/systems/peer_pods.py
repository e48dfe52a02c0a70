"""Kata peer-pods."""

from __future__ import annotations

from tests.systems import System

SYSTEM = System(
    title="Kata peer-pods",
    order=11,
    parsers=(
        "ip-addr",
        "ip-route",
        "ip-neigh",
        "tc-filter",
        "tc-qdisc",
        "bridge-fdb",
        "kubernetes",
    ),
    plugins=("bridge",),
    rules=("pod-machine-*",),
    decided=("truth/peer-pods-before.txt",),
    samples=(
        "truth/peer-pods-*.txt",
        "clusters/peer-pods/README.md",
    ),
    scenarios=("peer-pods",),
    limits="The hypervisor and the cloud's network between worker node and pod machine are one segment.",
)
