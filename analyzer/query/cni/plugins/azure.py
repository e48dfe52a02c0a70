"""``azure-vnet``: Azure's plugin."""

from __future__ import annotations

from analyzer.query.cni.fields import ANYTHING, TEXT, TRUTH, Table
from analyzer.query.cni.plugin import Plugin, Role

PLUGIN = Plugin(
    types=("azure-vnet",),
    role=Role.MAIN,
    source="Azure/azure-container-networking cni/netconfig.go",
    fields={
        "ipam": Table(ANYTHING),
        "mode": TEXT,
        "master": TEXT,
        "bridge": TEXT,
        "logLevel": TEXT,
        "logTarget": TEXT,
        "ipsToRouteViaHost": ANYTHING,
        "multiTenancy": TRUTH,
        "enableSnatOnHost": TRUTH,
    },
)
