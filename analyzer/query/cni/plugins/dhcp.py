"""``dhcp``: addresses of a DHCP server, through a daemon on the node."""

from __future__ import annotations

from analyzer.query.cni.fields import NUMBER, TEXT, TRUTH, Fields, Many
from analyzer.query.cni.plugin import Plugin, Role

PLUGIN = Plugin(
    types=("dhcp",),
    role=Role.IPAM,
    source="containernetworking/plugins plugins/ipam/dhcp/{main,daemon}.go",
    fields={
        "daemonSocketPath": TEXT,
        "request": Many(Fields({"skipDefault": TRUTH, "option": TEXT})),
        "provide": Many(Fields({"option": TEXT, "value": TEXT, "fromArg": TEXT})),
        "priority": NUMBER,
    },
)
