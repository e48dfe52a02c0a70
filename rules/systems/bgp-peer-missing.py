"""A node's BGP sessions are not those that its configuration asks for.

## What it finds
With the mesh on: a node whose BIRD has no session with another node, and a session of the mesh with an address that no node has; and a node without a session for a BGPPeer with `peerIP` that is for it. Of the others: a node
without a session for a peer of its CiliumBGPNodeConfig or of kube-router's annotations.
Route reflectors are in no mesh, and nodes without an address for BGP have no sessions; where a line of the listing was not understood, nothing is said.

## Why it matters
confd writes the sessions from the nodes and peers; where they are missing, it does not reach the datastore, or BIRD refused its file and keeps an old one. Such a node has old routes.

## Example
    projectcalico.org/IPv4Address: 10.30.0.13/24        # node n3, and n1's BIRD has no Mesh_10_30_0_13

## How to mend
See confd's and BIRD's log in calico-node (`birdcl configure check`); restart calico-node on that node.

## Sources
projectcalico/calico confd/etc/calico/confd/templates/bird.cfg.template; projectcalico/calico#3604, #5049.
"""

from collections.abc import Iterator

from analyzer.query.plan import NodeFact, registered_address
from analyzer.query.refusals import address_in, objects, spec_of
from analyzer.query.systems.bgp import holds
from analyzer.query.systems.calico import GROUP
from analyzer.query.systems.kubernetes import settings
from analyzer.query.systems.sessions import Router, holders, object_of
from analyzer.query.systems.stated_peers import BIRD, StatedPeer, stated_peers
from analyzer.rule import Address, Finding, Network, Rule, Severity

LISTINGS = {"bird-protocols", "calico-node-status", "gobgp-neighbors", "cilium-bgp-peers"}
ANNOTATION = "projectcalico.org/IPv4Address"
REFLECTOR = "projectcalico.org/RouteReflectorClusterID"


def check(network: Network) -> Iterator[Finding]:
    held = holders(network) if network.routers else {}
    stated = [item for found in stated_peers(network).values() for item in found if item.node] if network.routers else []
    for router in network.routers.values():
        listed = [session for session in router.sessions if session.program in ("bird", "calico")]
        own = object_of(network, router.node)
        calico = any(session.name.startswith(("Mesh", "Node", "Global")) for session in listed) or any(
            "calico" in one.outward for one in router.protocols
        )
        if own is None or router.lost & LISTINGS:
            continue
        yield from of_node(router, own, stated)
        if calico:
            if meshed(network, own):
                yield from mesh(network, held, router, own)
            yield from wanted(network, router, own)


def of_node(router: Router, own: NodeFact, stated: list[StatedPeer]) -> Iterator[Finding]:
    """The peers that Cilium's and kube-router's objects state for this node."""
    for item in stated:
        sessions = [session for session in router.sessions if session.program in item.programs and not item.programs & BIRD]
        if item.node == own.name and sessions and all(session.peer != item.address for session in sessions):
            yield RULE.finding(
                item.at,
                f"{router.node} has no session with {item.address}, stated by {item.words}",
                related=[(sessions[0].at, f"the sessions of {router.node}")],
            )


def meshed(network: Network, node: NodeFact) -> bool:
    """Whether a node is in the mesh."""
    off = any(item.value == "false" for item in settings(network, "calico", "mesh"))
    return not off and REFLECTOR not in node.annotations and ANNOTATION in node.annotations


def mesh(network: Network, held: dict[Address, str], router: Router, own: NodeFact) -> Iterator[Finding]:
    """The sessions of the mesh against the nodes."""
    known = {session.peer for session in router.sessions}
    for name, node in sorted(network.cluster.nodes.items()):
        address = registered_address(node)
        if name != own.name and meshed(network, node) and address is not None and address not in known:
            yield RULE.finding(
                node.place("metadata", "annotations", ANNOTATION),
                f"{router.node}: BIRD has no session with {address} of node {name}",
                related=[(router.sessions[0].at, f"the sessions of {router.node}")] if router.sessions else [],
            )
    for session in router.sessions:
        if (
            session.name.startswith("Mesh")
            and session.peer is not None
            and session.peer not in held
            and "Node" in network.cluster.known
        ):
            yield RULE.finding(
                session.at,
                f"{router.node}: BIRD has a session of the mesh with {session.peer}, which no node has",
                severity=Severity.WARNING,
                certain=False,
            )


def wanted(network: Network, router: Router, own: NodeFact) -> Iterator[Finding]:
    """The BGPPeers that are for the node by name, by selector, or for all."""
    known = {session.peer for session in router.sessions}
    for fact in objects(network, "BGPPeer", GROUP):
        spec = spec_of(fact)
        text, name, selector = str(spec.get("peerIP") or ""), spec.get("node"), spec.get("nodeSelector")
        address = address_in(text) or address_in(text.rpartition(":")[0].strip("[]"))
        mine = name == own.name if name else holds(selector, own) if selector else True
        if address is None or spec.get("localWorkloadSelector") or not mine or address in known or own_address(own, address):
            continue
        if any(session.peer is not None and session.peer.family == address.family for session in router.sessions):
            yield RULE.finding(
                fact.place("spec", "peerIP"),
                f"{router.node}: BIRD has no session with {address}, which BGPPeer {fact.name} asks for",
            )


def own_address(node: NodeFact, address: Address) -> bool:
    """Whether an address is the node's own: no node peers with itself."""
    return address == registered_address(node) or any(address == one for _, one in node.addresses)


RULE = Rule("bgp-peer-missing", Severity.ERROR, __doc__, check)
