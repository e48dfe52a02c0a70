"""``tap``: a tap device in the pod."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.query.cni.fields import NUMBER, TEXT, TRUTH, Problem, Whole
from analyzer.query.cni.plugin import Call, Plugin, Role
from analyzer.query.cni.shared import hardware

USER = Whole(0, 2**32 - 1)


def refusals(call: Call) -> Iterator[Problem]:
    """``createLink``."""
    yield from hardware(call, "mac")


PLUGIN = Plugin(
    types=("tap",),
    role=Role.MAIN,
    source="containernetworking/plugins plugins/main/tap/tap.go",
    fields={
        "multiQueue": TRUTH,
        "mtu": NUMBER,
        "mac": TEXT,
        "owner": USER,
        "group": USER,
        "selinuxContext": TEXT,
        "bridge": TEXT,
    },
    refusals=refusals,
)
