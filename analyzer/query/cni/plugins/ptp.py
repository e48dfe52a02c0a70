"""``ptp``: a veth pair that the node routes to."""

from __future__ import annotations

from analyzer.query.cni.fields import NUMBER, TEXT, TRUTH
from analyzer.query.cni.plugin import Plugin, Role
from analyzer.query.cni.shared import needs_ipam

PLUGIN = Plugin(
    types=("ptp",),
    role=Role.MAIN,
    source="containernetworking/plugins plugins/main/ptp/ptp.go",
    fields={"ipMasq": TRUTH, "ipMasqBackend": TEXT, "mtu": NUMBER},
    refusals=needs_ipam,
)
