"""``multus``: calls the plugins of several networks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from analyzer.query.cni.fields import ANYTHING, TEXT, TEXTS, TRUTH, Many, Problem, Table
from analyzer.query.cni.plugin import Call, Plugin, Role


def refusals(call: Call) -> Iterator[Problem]:
    """``LoadNetConf`` and ``LoadDelegateNetConf``."""
    delegates: Any = call.get("delegates")
    if not delegates and not call.text("clusterNetwork"):
        yield Problem((), "multus needs delegates or a clusterNetwork")
    if call.text("clusterNetwork"):
        return
    for index, item in enumerate(delegates if isinstance(delegates, list) else ()):
        if isinstance(item, dict) and not item.get("type"):
            plugins = item.get("plugins")
            first = plugins[0] if isinstance(plugins, list) and plugins else None
            if not isinstance(first, dict) or not first.get("type"):
                yield Problem(("delegates", index), "a delegate needs a type, or plugins whose first has one")


def advice(call: Call) -> Iterator[Problem]:
    """``clusterNetwork`` takes the place of the delegates."""
    if call.text("clusterNetwork") and call.get("delegates"):
        yield Problem(("delegates",), "the delegates are not used: clusterNetwork takes their place")


PLUGIN = Plugin(
    types=("multus", "multus-shim"),
    role=Role.MAIN,
    source="k8snetworkplumbingwg/multus-cni pkg/types/conf.go",
    fields={
        "clusterNetwork": TEXT,
        "delegates": Many(Table(ANYTHING)),
        "defaultNetworks": TEXTS,
        "systemNamespaces": TEXTS,
        "confDir": TEXT,
        "cniDir": TEXT,
        "binDir": TEXT,
        "kubeconfig": TEXT,
        "namespaceIsolation": TRUTH,
        "globalNamespaces": TEXT,
        "multusNamespace": TEXT,
        "readinessindicatorfile": TEXT,
        "retryDeleteOnError": TRUTH,
        "logFile": TEXT,
        "logLevel": TEXT,
        "logToStderr": TRUTH,
    },
    refusals=refusals,
    advice=advice,
)
