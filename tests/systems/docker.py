"""Docker bridges."""

from __future__ import annotations

from tests.systems import System

SYSTEM = System(
    title="Docker bridges",
    order=12,
    parsers=(
        "ip-addr",
        "ip-route",
        "bridge-link",
        "brctl",
        "iptables-save",
        "nft",
    ),
    plugins=("bridge",),
    rules=(
        "local-bridge-hides-network",
        "foreign-firewall",
        "raw-table-drops-pods",
        "forward-policy-drops",
    ),
    decided=("healthy/flannel-docker-nodelocaldns.txt",),
    samples=("rules/raw-table-drops-pods.*.txt",),
    real=(
        "iptables/moby-moby/**/*",
        "nft/moby-moby/**/*",
    ),
    limits="Docker's own records of networks and containers are not read; its bridges, chains and tables are.",
)
