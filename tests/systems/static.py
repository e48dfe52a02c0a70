"""dhcp and static."""

from __future__ import annotations

from tests.systems import System

SYSTEM = System(
    title="dhcp and static",
    order=24,
    parsers=("cni-config",),
    plugins=(
        "dhcp",
        "static",
    ),
    rules=(
        "cni-config-refused",
        "second-network-hides-cluster",
        "addresses-not-enough",
    ),
    samples=(
        "ipam/attachments.txt",
        "rules/second-network-hides-cluster.*.txt",
    ),
    tests=("test_cni_binaries",),
    limits="The leases of the DHCP daemon and its server are not read.",
)
