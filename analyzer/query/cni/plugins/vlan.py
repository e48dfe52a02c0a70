"""``vlan``: an interface of one VLAN of a device of the node."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.query.cni.fields import NUMBER, TEXT, TRUTH, Problem
from analyzer.query.cni.plugin import Call, Plugin, Role
from analyzer.query.cni.shared import device_name, lower_mtu, needs_ipam

HIGHEST = 4094


def refusals(call: Call) -> Iterator[Problem]:
    """``loadConf`` and ``cmdAdd``."""
    if not call.text("master"):
        yield Problem((), "vlan needs a master: the node's interface that carries the VLAN")
    if not 0 <= call.number("vlanId") <= HIGHEST:
        yield Problem(("vlanId",), f"vlanId {call.number('vlanId')} is not between 0 and {HIGHEST}")
    yield from lower_mtu(call)
    yield from device_name(call, "master")
    yield from needs_ipam(call)


PLUGIN = Plugin(
    types=("vlan",),
    role=Role.MAIN,
    source="containernetworking/plugins plugins/main/vlan/vlan.go",
    fields={"master": TEXT, "vlanId": NUMBER, "mtu": NUMBER, "linkInContainer": TRUTH},
    refusals=refusals,
)
