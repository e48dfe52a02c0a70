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
        "docker-networks",
        "docker-containers",
    ),
    plugins=("bridge",),
    rules=(
        "docker-network-differs",
        "docker-port-leads-nowhere",
        "local-bridge-hides-network",
        "foreign-firewall",
        "raw-table-drops-pods",
        "forward-policy-drops",
    ),
    decided=("healthy/flannel-docker-nodelocaldns.txt",),
    samples=(
        "rules/raw-table-drops-pods.*.txt",
        "rules/docker-network-differs.*.txt",
        "rules/docker-port-leads-nowhere.*.txt",
        "parsers/docker-*/*",
    ),
    real=(
        "iptables/moby-moby/**/*",
        "nft/moby-moby/**/*",
    ),
    limits="Networks are held against bridges, addresses and forwarding entries where docker network inspect was captured, published ports against the rules that translate destinations and against listeners where docker inspect was. Overlay networks and Swarm's routing are read by name only.",
)
