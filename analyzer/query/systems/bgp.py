"""Who peers with whom: Calico's mesh and BGPPeers, kube-router's mesh and annotations.

projectcalico/calico confd/etc/calico/confd/templates/bird.cfg.template: without the mesh a node has the global peers, those that name it, and those whose
``nodeSelector`` holds for it; a peer that ``peerSelector`` names peers with it as well ("reverse peering").
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.facts.kubernetes import NodeFact, ObjectFact
from analyzer.model.cluster import Setting
from analyzer.model.network import Network
from analyzer.policy.calico.endpoints import selects
from analyzer.policy.calico.selectors import read_selector
from analyzer.query.refusals import objects, spec_of
from analyzer.query.systems.calico import GROUP, pools
from analyzer.query.systems.kubernetes import settings
from analyzer.source import Span


def mesh_is_off(network: Network) -> Setting | None:
    """Where Calico's mesh is switched off; None where it is on, or where no pool's routes come by BGP."""
    off = [item for item in settings(network, "calico", "mesh") if item.value == "false" and item.said_by.endswith(" default")]
    known = list(pools(network))
    by_vxlan = bool(known) and all(str(spec_of(item.fact).get("vxlanMode")) in ("Always", "CrossSubnet") for item in known)
    return off[0] if off and not by_vxlan else None


def felix_may_route(network: Network) -> bool:
    """Whether all pools are encapsulated: Felix of Calico 3.33 and later makes the routes of IPIP pools itself (``programClusterRoutes``)."""
    known = list(pools(network))
    keys = ("ipipMode", "vxlanMode")
    return bool(known) and all(any(spec_of(item.fact).get(key) == "Always" for key in keys) for item in known)


def lonely_nodes(network: Network) -> Iterator[tuple[str, Span]]:
    """Nodes without a peering; a selector that cannot be read may be for any."""
    peers = list(objects(network, "BGPPeer", GROUP))
    for name, node in sorted(network.cluster.nodes.items()):
        if not any(peers_with(peer, node) for peer in peers):
            yield name, node.at


def peers_with(peer: ObjectFact, node: NodeFact) -> bool:
    """Whether a BGPPeer gives a node a peering, from either side."""
    spec = spec_of(peer)
    name, selector, other = spec.get("node"), spec.get("nodeSelector"), spec.get("peerSelector")
    if not name and not selector:
        return True
    return name == node.name or holds(selector, node) or holds(other, node)


def holds(selector: object, node: NodeFact) -> bool:
    """Whether a selector holds for a node; one that cannot be read may."""
    if not isinstance(selector, str) or not selector.strip():
        return False
    try:
        return selects(read_selector(selector), node.labels)
    except ValueError:
        return True


def routers_without_peers(network: Network) -> Iterator[Setting]:
    """kube-router without a mesh, peers of all nodes, and nodes' own annotations."""
    annotated = any(
        key.startswith(("kube-router.io/rr.", "kube-router.io/peer."))
        for node in network.cluster.nodes.values()
        for key in node.annotations
    )
    for item in settings(network, "kube-router", "mesh"):
        routing = not any(one.value == "false" for one in settings(network, "kube-router", "router"))
        several = len(network.cluster.nodes) > 1
        if item.value == "false" and routing and several and not annotated and not settings(network, "kube-router", "peers"):
            yield item
