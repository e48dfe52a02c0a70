"""A node's routes do not lead to the blocks of Calico's other nodes, or not to their own node.

## What it finds
For each captured node and each block of another node: no route but the default one (an error), or one by a gateway that is another node's, or, through `tunl0`, one that is no address of that node; for the node's own blocks: no blackhole,
so that packets for addresses without a pod leave by the default route (a note).

## Why it matters
Pods of that block are not reached from this node, or packets go round in circles until their TTL ends.

## Example
    IPAMBlock 192.168.83.64/26, affinity host:n2          # and n1 has no route to 192.168.83.64/26

## How to mend
Look at the BGP sessions (`calicoctl node status`) or at calico-node's log on the node; `calicoctl ipam check` when the block has moved.

## Sources
projectcalico/calico felix/dataplane/linux (route managers), confd templates bird_ipam.cfg; projectcalico/calico#6486, #8751.
"""

from collections.abc import Iterator

from analyzer.query.ipam.records import Block, blocks
from analyzer.query.plan import CALICO_ADDRESS, NodeFact, captured_name, registered_address
from analyzer.query.state import root_of
from analyzer.query.tables import main_route
from analyzer.rule import Address, Finding, Namespace, Network, Rule, Severity

TUNNEL = "tunl0"


def check(network: Network) -> Iterator[Finding]:
    if not network.namespaces:
        return
    found = [block for block in blocks(network) if block.prefix.family == 4 and block.node in network.cluster.nodes]
    for name in sorted(network.cluster.nodes):
        root = root_of(network, captured_name(network, name))
        if root is not None and "ip-route/4" not in root.missing:
            for block in found:
                yield from (own(root, name, block) if block.node == name else other(network, root, name, block))


def other(network: Network, root: Namespace, name: str, block: Block) -> Iterator[Finding]:
    """A block of another node: its route, and where that leads."""
    if not any(item.pod for item in block.records):
        return
    route = main_route(root, Address(4, block.prefix.value + min(1, block.prefix.last - block.prefix.value)))
    owner = network.cluster.nodes[block.node]
    place = block.fact.place("spec", "affinity")
    if route is None or route.destination.length == 0:
        at = route.at if route is not None else place
        yield RULE.finding(
            at,
            f"{name} has no route to {block.prefix}, a block of {block.node}",
            related=[(place, f"block {block.prefix} belongs to {block.node}")],
            help=f"look at the BGP sessions of {name} (calicoctl node status) and at its calico-node's log",
            certain=not root.gaps.get("ip-route"),
        )
        return
    gateways = {hop.via: hop.device for hop in route.next_hops if hop.via is not None}
    wrong = sorted(set(gateways) - set(addresses(network, owner)))
    known = {address: other for other, node in network.cluster.nodes.items() for address in addresses(network, node)}
    whose = {gateway: known[gateway] for gateway in wrong if known.get(gateway) not in (None, block.node)}
    nobody = told(network, owner) and [gateway for gateway in wrong if gateway not in known and gateways[gateway] == TUNNEL]
    for gateway in [*whose, *(nobody or ())][:1]:
        yield RULE.finding(
            route.at,
            f"{name} routes {block.prefix}, a block of {block.node}, by {gateway}, which is {whose.get(gateway, 'no address of it')}",
            related=[(place, f"block {block.prefix} belongs to {block.node}")],
            help="compare the block with calicoctl ipam check: it may have moved",
        )


def told(network: Network, owner: NodeFact) -> bool:
    """Whether the address that IPIP's packets to a node have is known: BIRD and Felix take the one that Calico registered."""
    root = root_of(network, captured_name(network, owner.name))
    return CALICO_ADDRESS in owner.annotations or (root is not None and bool(root.addresses))


def addresses(network: Network, node: NodeFact) -> Iterator[Address]:
    """The addresses that routes to a node's blocks go by: its own, and its tunnels'."""
    registered = registered_address(node)
    if registered is not None:
        yield registered
    yield from (address for _, address in node.addresses)
    root = root_of(network, captured_name(network, node.name))
    if root is not None:
        yield from (fact.address for fact in root.addresses)


def own(root: Namespace, name: str, block: Block) -> Iterator[Finding]:
    """A block of the node itself: what no pod has must go nowhere."""
    routes = [route for route in root.routes.get(4, {}).get(254, ()) if route.destination == block.prefix]
    kinds = ("blackhole", "unreachable", "prohibit")
    if any(item.pod for item in block.records) and not any(route.kind in kinds for route in routes) and block.prefix.length < 32:
        yield RULE.finding(
            block.fact.place("spec", "affinity"),
            f"{name} has no blackhole for its own block {block.prefix}: packets for addresses without a pod leave by the default route",
            severity=Severity.NOTE,
            certain=not root.gaps.get("ip-route"),
        )


RULE = Rule("calico-block-route-missing", Severity.ERROR, __doc__, check)
