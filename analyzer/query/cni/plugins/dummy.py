"""``dummy``: an interface that leads nowhere."""

from __future__ import annotations

from analyzer.query.cni.plugin import Plugin, Role
from analyzer.query.cni.shared import needs_ipam

PLUGIN = Plugin(
    types=("dummy",),
    role=Role.MAIN,
    source="containernetworking/plugins plugins/main/dummy/dummy.go",
    refusals=needs_ipam,
)
