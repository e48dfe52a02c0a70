"""Whether kube-proxy is installed."""

from __future__ import annotations

from analyzer.facts.kubernetes import ObjectFact
from analyzer.model.network import Network


def kube_proxy(network: Network) -> ObjectFact | None:
    """kube-proxy's DaemonSet, or a pod of it; None where the input has none, or where it is for no node at all."""
    for item in network.cluster.others:
        if item.kind == "DaemonSet" and item.name == "kube-proxy":
            status = item.document.get("status")
            wanted = status.get("desiredNumberScheduled") if isinstance(status, dict) else None
            return None if wanted == 0 else item
    found = (
        pod for (_, name), pod in sorted(network.cluster.pods.items()) if name.startswith("kube-proxy-") and not pod.finished
    )
    return next(found, None)
