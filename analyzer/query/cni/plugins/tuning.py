"""``tuning``: kernel switches and attributes of a pod's interface."""

from __future__ import annotations

from collections.abc import Iterator
from posixpath import normpath

from analyzer.query.cni.fields import NUMBER, TEXT, TRUTH, Problem, Table
from analyzer.query.cni.plugin import Call, Plugin, Role
from analyzer.query.cni.shared import hardware


def refusals(call: Call) -> Iterator[Problem]:
    """``cmdAdd``: a switch must lie below ``/proc/sys/net``."""
    switches = call.get("sysctl")
    for key in switches if isinstance(switches, dict) else ():
        if not normpath(f"/proc/sys/{key.replace('.', '/')}").startswith("/proc/sys/net/"):
            yield Problem(("sysctl", key), f"{key!r} is no switch of the network: only net.* is allowed")
    yield from hardware(call, "mac")


PLUGIN = Plugin(
    types=("tuning",),
    role=Role.META,
    source="containernetworking/plugins plugins/meta/tuning/tuning.go",
    fields={
        "dataDir": TEXT,
        "sysctl": Table(TEXT),
        "mac": TEXT,
        "promisc": TRUTH,
        "mtu": NUMBER,
        "allmulti": TRUTH,
        "txQLen": NUMBER,
    },
    refusals=refusals,
    chained=True,
)
