"""kube-proxy in userspace mode."""

from __future__ import annotations

from tests.systems import System

SYSTEM = System(
    title="kube-proxy in userspace mode",
    order=33,
    parsers=(
        "iptables-save",
        "ss",
        "kubernetes",
    ),
    rules=("leftover-proxy-mode",),
    samples=("healthy/kube-proxy-userspace.txt", "rules/leftover-proxy-mode.*.txt"),
    limits="The mode was removed in Kubernetes 1.26: its redirections to a port of the node are followed to the node, and what the proxy there does with the connection is not known.",
)
