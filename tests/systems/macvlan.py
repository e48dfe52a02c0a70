"""macvlan, ipvlan and vlan."""

from __future__ import annotations

from tests.systems import System

SYSTEM = System(
    title="macvlan, ipvlan and vlan",
    order=21,
    parsers=(
        "cni-config",
        "ip-addr",
        "ip-route",
        "bridge-vlan",
    ),
    plugins=(
        "macvlan",
        "ipvlan",
        "vlan",
    ),
    rules=(
        "cni-config-refused",
        "cni-networks-share-addresses",
    ),
    decided=("truth/macvlan.txt",),
    samples=("truth/macvlan.txt",),
    scenarios=("macvlan",),
    real=("cni-conf/containers-common/libnetwork/cni/testfiles/valid/*vlan*.conflist",),
    tests=("test_cni_binaries",),
    limits="ipvlan in the modes l3 and l3s and macvlan in private, vepa and passthru are open where their difference matters; only macvlan in bridge mode is tried in the lab.",
)
