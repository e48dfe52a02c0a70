"""``macvlan``: an interface of its own hardware address on a device of the node."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.query.cni.fields import NATURAL, NUMBER, TEXT, TRUTH, Problem
from analyzer.query.cni.plugin import Call, Plugin, Role
from analyzer.query.cni.shared import device_name, hardware, lower_mtu, one_of

MODES = ("bridge", "private", "vepa", "passthru")


def refusals(call: Call) -> Iterator[Problem]:
    """``loadConf``, ``modeFromString`` and ``createMacvlan``."""
    yield from one_of(call, "mode", MODES)
    yield from lower_mtu(call)
    yield from device_name(call, "master")
    yield from hardware(call, "mac")


PLUGIN = Plugin(
    types=("macvlan",),
    role=Role.MAIN,
    source="containernetworking/plugins plugins/main/macvlan/macvlan.go",
    fields={"master": TEXT, "mode": TEXT, "mtu": NUMBER, "mac": TEXT, "linkInContainer": TRUTH, "bcqueuelen": NATURAL},
    refusals=refusals,
)
