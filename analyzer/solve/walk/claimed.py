"""Who should have an address by the API."""

from __future__ import annotations

from analyzer.addresses import Address
from analyzer.model.network import Network
from analyzer.source import Scope


def claims(network: Network) -> dict[Address, tuple[str, bool]]:
    """The addresses that the API gives to pods and nodes, and whether the namespace that should have them shows its addresses."""
    captured = {one.name: shows_addresses(network, one.scope) for one in network.attachments}
    found: dict[Address, tuple[str, bool]] = {}
    for node in network.cluster.nodes.values():
        known = shows_addresses(network, Scope(network.node_names.get(node.name, node.name)))
        found.update(dict.fromkeys((address for _, address in node.addresses), (f"node {node.name}", known)))
    for pod in network.cluster.pods.values():
        if not (pod.finished or pod.host_network):
            name = f"{pod.namespace}/{pod.name}"
            found.update(dict.fromkeys(pod.addresses, (f"pod {name}", captured.get(name, False))))
    return found


def shows_addresses(network: Network, scope: Scope) -> bool:
    """Whether a namespace's addresses were captured."""
    return scope in network.namespaces and "ip-addr" not in network.namespaces[scope].missing
