"""bridge and ptp."""

from __future__ import annotations

from tests.systems import System

SYSTEM = System(
    title="bridge and ptp",
    order=20,
    parsers=(
        "cni-config",
        "cni-plugins",
        "ip-addr",
        "ip-route",
        "bridge-link",
        "bridge-vlan",
        "bridge-fdb",
        "iptables-save",
        "nft",
    ),
    plugins=(
        "bridge",
        "ptp",
        "loopback",
        "host-device",
        "dummy",
        "tap",
    ),
    rules=(
        "cni-*",
        "hairpin-off",
        "bridge-*",
        "several-cni-configs",
    ),
    decided=(
        "truth/ptp.txt",
        "truth/host-gw-services-no-hairpin.txt",
    ),
    samples=(
        "parsers/cni-config/*.json",
        "truth/bridge-*.txt",
        "truth/ptp*.txt",
    ),
    scenarios=(
        "bridge",
        "bridge-two",
        "ptp",
        "ptp-services",
        "ptp-policies",
        "ptp-nftables",
    ),
    real=("cni-conf/**/*.conflist",),
    tests=(
        "test_cni_binaries",
        "test_cni",
    ),
    limits="tap devices are read; what a program at their other end does is not known.",
)
