"""Whether kube-proxy is installed."""

from __future__ import annotations

from analyzer.facts.kubernetes import ObjectFact
from analyzer.model.network import Network
from analyzer.query.state import pods_by_name


def kube_proxy(network: Network) -> ObjectFact | None:
    """kube-proxy's DaemonSet, or a pod of it; None where the input has none, or where it is for no node at all."""
    for item in network.cluster.others:
        if item.kind == "DaemonSet" and item.name == "kube-proxy":
            status = item.document.get("status")
            wanted = status.get("desiredNumberScheduled") if isinstance(status, dict) else None
            return None if wanted == 0 else item
    return next((pod for pod in pods_by_name(network) if pod.name.startswith("kube-proxy-") and not pod.finished), None)
