"""``flannel``: makes the configuration of another plugin out of ``subnet.env`` and calls it."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.query.cni.fields import ANYTHING, TEXT, Problem, Table
from analyzer.query.cni.plugin import Call, Plugin, Role


def refusals(call: Call) -> Iterator[Problem]:
    """``cmdAdd``: what flannel sets by itself must not be there."""
    delegate = call.get("delegate")
    for key in ("name", "ipam"):
        if isinstance(delegate, dict) and key in delegate:
            yield Problem(("delegate", key), f"delegate must not have {key!r}: flannel sets it from subnet.env")
    if isinstance(delegate, dict) and not isinstance(delegate.get("type", ""), str):
        yield Problem(("delegate", "type"), "delegate.type must be a text")


PLUGIN = Plugin(
    types=("flannel",),
    role=Role.MAIN,
    source="flannel-io/cni-plugin flannel.go",
    fields={"ipam": Table(ANYTHING), "subnetFile": TEXT, "dataDir": TEXT, "delegate": Table(ANYTHING)},
    refusals=refusals,
)
