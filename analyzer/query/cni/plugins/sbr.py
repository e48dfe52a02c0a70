"""``sbr``: routes of an interface for its own source addresses."""

from __future__ import annotations

from analyzer.query.cni.fields import NUMBER, TRUTH
from analyzer.query.cni.plugin import Plugin, Role

PLUGIN = Plugin(
    types=("sbr",),
    role=Role.META,
    source="containernetworking/plugins plugins/meta/sbr/main.go",
    fields={"table": NUMBER, "addSourceHints": TRUTH},
    chained=True,
)
