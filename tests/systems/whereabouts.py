"""whereabouts."""

from __future__ import annotations

from tests.systems import System

SYSTEM = System(
    title="whereabouts",
    order=25,
    parsers=(
        "cni-config",
        "kubernetes",
    ),
    plugins=("whereabouts",),
    rules=(
        "cni-config-*",
        "cni-networks-share-addresses",
        "address-recorded-twice",
        "address-record-without-pod",
        "addresses-not-enough",
    ),
    samples=(
        "ipam/attachments.txt",
        "rules/cni-config-misleading.*.txt",
    ),
    real=("cni-conf/k8snetworkplumbingwg-whereabouts/**/*.yaml",),
    tests=("test_ipam",),
    limits="Its flat file of defaults on the node is not merged into a network's configuration; slices of nodes are read as ranges of the whole network.",
)
