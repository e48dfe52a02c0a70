"""``weave-net``: a port on Weave's bridge; its IPAM plugin is ``weave-ipam``."""

from __future__ import annotations

from analyzer.query.cni.fields import NUMBER, TEXT, TRUTH
from analyzer.query.cni.plugin import Plugin, Role

PLUGIN = Plugin(
    types=("weave-net",),
    role=Role.MAIN,
    source="weaveworks/weave plugin/net/cni.go",
    fields={"bridge": TEXT, "isGateway": TRUTH, "ipMasq": TRUTH, "mtu": NUMBER, "hairpinMode": TRUTH},
)
