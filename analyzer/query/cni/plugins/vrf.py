"""``vrf``: puts a pod's interface into a VRF."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.query.cni.fields import TEXT, Problem, Whole
from analyzer.query.cni.plugin import Call, Plugin, Role


def refusals(call: Call) -> Iterator[Problem]:
    """``parseConf``."""
    if not call.text("vrfname"):
        yield Problem((), "vrf needs a vrfname")


PLUGIN = Plugin(
    types=("vrf",),
    role=Role.META,
    source="containernetworking/plugins plugins/meta/vrf/main.go",
    fields={"vrfname": TEXT, "table": Whole(0, 2**32 - 1)},
    refusals=refusals,
    oldest="0.3.1",
    chained=True,
)
