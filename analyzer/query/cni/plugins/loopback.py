"""``loopback``: sets ``lo`` up."""

from __future__ import annotations

from analyzer.query.cni.plugin import Plugin, Role

PLUGIN = Plugin(types=("loopback",), role=Role.META, source="containernetworking/plugins plugins/main/loopback/loopback.go")
