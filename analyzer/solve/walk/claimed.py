"""Who should have an address that no captured interface has."""

from __future__ import annotations

from analyzer.addresses import Address
from analyzer.model.network import Network
from analyzer.model.routing import told_by_routes
from analyzer.source import Scope


def claims(network: Network) -> dict[Address, tuple[str, bool]]:
    """The addresses that the API gives to pods and nodes, and whether the namespace that should have them shows its addresses; and those that
    routes tell of namespaces which do not show them."""
    captured = {one.name: shows_addresses(network, one.scope) for one in network.attachments}
    found: dict[Address, tuple[str, bool]] = {}
    for node in network.cluster.nodes.values():
        known = shows_addresses(network, Scope(network.node_names.get(node.name, node.name)))
        found.update(dict.fromkeys((address for _, address in node.addresses), (f"node {node.name}", known)))
    for pod in network.cluster.pods.values():
        if not (pod.finished or pod.host_network):
            name = f"{pod.namespace}/{pod.name}"
            found.update(dict.fromkeys(pod.addresses, (f"pod {name}", captured.get(name, False))))
    for scope, space in network.namespaces.items():
        if "ip-addr" in space.missing:
            found.update({address: (str(scope), False) for address in told_by_routes(space.routes) if address not in found})
    return found


def shows_addresses(network: Network, scope: Scope) -> bool:
    """Whether a namespace's addresses were captured."""
    return scope in network.namespaces and "ip-addr" not in network.namespaces[scope].missing
