"""``host-device``: a device of the node that moves into the pod."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.query.cni.fields import TEXT, TRUTH, Problem
from analyzer.query.cni.plugin import Call, Plugin, Role

NAMES = ("device", "hwaddr", "kernelpath", "pciBusID")


def refusals(call: Call) -> Iterator[Problem]:
    """``loadConf``: a device must be named, by the configuration or by the runtime's ``deviceID``."""
    if not any(call.text(name) for name in NAMES) and call.get("capabilities", "deviceID") is not True:
        yield Problem((), f"host-device needs one of {', '.join(NAMES)}, or the capability deviceID")


def advice(call: Call) -> Iterator[Problem]:
    """``getLink``: the first that is named, in this order."""
    given = [name for name in NAMES if call.text(name)]
    for name in given[1:]:
        yield Problem((name,), f"{name} is not heeded: {given[0]} names the device already")


PLUGIN = Plugin(
    types=("host-device",),
    role=Role.MAIN,
    source="containernetworking/plugins plugins/main/host-device/host-device.go",
    fields={"device": TEXT, "hwaddr": TEXT, "kernelpath": TEXT, "pciBusID": TEXT, "dpdkMode": TRUTH},
    refusals=refusals,
    advice=advice,
)
