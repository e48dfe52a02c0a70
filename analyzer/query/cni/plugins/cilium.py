"""``cilium-cni``: Cilium's plugin, by itself or after another one."""

from __future__ import annotations

from analyzer.query.cni.fields import ANYTHING, NUMBER, TEXT, TRUTH, Table
from analyzer.query.cni.plugin import Plugin, Role

PLUGIN = Plugin(
    types=("cilium-cni",),
    role=Role.MAIN,
    source="cilium/cilium plugins/cilium-cni/types/types.go",
    fields={
        "ipam": Table(ANYTHING),
        "mtu": NUMBER,
        "enable-debug": TRUTH,
        "log-format": TEXT,
        "log-file": TEXT,
        "chaining-mode": TEXT,
    },
)
