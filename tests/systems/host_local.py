"""host-local."""

from __future__ import annotations

from tests.systems import System

SYSTEM = System(
    title="host-local",
    order=23,
    parsers=("cni-config",),
    plugins=("host-local",),
    rules=(
        "lease-without-pod",
        "cni-networks-share-addresses",
        "cni-config-*",
        "address-recorded-twice",
        "node-networks-exhausted",
        "addresses-not-enough",
        "lease-range-full",
    ),
    samples=(
        "ipam/nodes-networks.txt",
        "rules/lease-without-pod.*.txt",
    ),
    real=("cni-conf/cri-o-cri-o/**/*.conflist",),
    tests=("test_cni_binaries",),
    limits="Whether a lease's container still runs is taken from the pods and namespaces that were captured.",
)
