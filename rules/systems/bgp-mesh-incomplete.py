"""The BGP mesh between nodes is off, and nothing else brings the routes.

## What it finds
Calico with `nodeToNodeMeshEnabled: false` whose BGPPeers leave a node without any, and kube-router with `--nodes-full-mesh=false` without peers or route reflectors. VXLAN pools need no BGP, and those of IPIP none
since Calico 3.33: there it is told as possible.

## Why it matters
The node learns no routes to other nodes' pods, and nobody learns its own.

## Example
    kind: BGPConfiguration
    spec: {nodeToNodeMeshEnabled: false}          # and no BGPPeer

## How to mend
Switch the mesh on, or add BGPPeers (to route reflectors or the fabric) for every node.

## Sources
projectcalico/calico confd templates bird.cfg.template; cloudnativelabs/kube-router docs/bgp.md.
"""

from collections.abc import Iterator

from analyzer.query.systems.bgp import felix_may_route, lonely_nodes, mesh_is_off, routers_without_peers
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    off = mesh_is_off(network)
    if off is not None:
        for name, at in lonely_nodes(network):
            yield RULE.finding(
                off.at,
                f"the mesh between nodes is off, and no BGPPeer is for node {name}: it learns no routes to pods of other nodes",
                related=[(at, f"node {name}")],
                help="switch the mesh on, or add a BGPPeer for the node",
                certain=not felix_may_route(network),
            )
    for setting in routers_without_peers(network):
        yield RULE.finding(
            setting.at, "kube-router's mesh between nodes is off, and there are neither peers nor route reflectors"
        )


RULE = Rule("bgp-mesh-incomplete", Severity.ERROR, __doc__, check)
