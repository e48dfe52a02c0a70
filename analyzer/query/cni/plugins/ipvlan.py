"""``ipvlan``: an interface with the hardware address of a device of the node."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.query.cni.fields import NUMBER, TEXT, TRUTH, Problem
from analyzer.query.cni.plugin import Call, Plugin, Role
from analyzer.query.cni.shared import device_name, lower_mtu, needs_ipam, one_of

MODES = ("l2", "l3", "l3s")


def refusals(call: Call) -> Iterator[Problem]:
    """``modeFromString`` and ``cmdAdd``: in a chain the earlier plugin's addresses do instead of an IPAM plugin."""
    yield from one_of(call, "mode", MODES)
    yield from lower_mtu(call)
    yield from device_name(call, "master")
    if call.index == 0:
        yield from needs_ipam(call)


PLUGIN = Plugin(
    types=("ipvlan",),
    role=Role.MAIN,
    source="containernetworking/plugins plugins/main/ipvlan/ipvlan.go",
    fields={"master": TEXT, "mode": TEXT, "mtu": NUMBER, "linkInContainer": TRUTH},
    refusals=refusals,
)
