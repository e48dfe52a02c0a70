"""A node's tunnel packets leave with an address that the other nodes do not know it by.

## What it finds
An IP-in-IP device without a local address of its own (Calico's `tunl0`), whose packets to another node the routing table sends out with a source address that is not the one that
the node registered (`projectcalico.org/IPv4Address`, else its InternalIP).

## Why it matters
The other nodes drop IP-in-IP packets from hosts that they do not know, and their BGP sessions expect the registered address. It happens on nodes with several interfaces.

## Example
    projectcalico.org/IPv4Address: 192.168.0.11/24
    # ip route: 192.168.0.0/24 dev eth1 src 10.0.0.11

## How to mend
Let the route to the other nodes prefer the registered address (`src`), or let Calico register the address that the node uses (`IP_AUTODETECTION_METHOD=can-reach=…`).

## Sources
projectcalico/calico#4234, #1480; net/ipv4/ip_tunnel.c (ip_tunnel_xmit: the route to the remote chooses the source).
"""

from collections.abc import Iterator

from analyzer.query.plan import CALICO_ADDRESS, NodeFact, captured_name, registered_address
from analyzer.query.state import root_of
from analyzer.query.tables import main_route
from analyzer.query.tunnels import Overlay, Tunnel, overlays
from analyzer.rule import Address, Finding, Namespace, Network, Rule, Severity, Span


def check(network: Network) -> Iterator[Finding]:
    nodes = {captured_name(network, node.name): node for _, node in sorted(network.cluster.nodes.items())}
    for item in overlays(network, by_name=True):
        match item.kind:
            case Tunnel(kind="ipip", local=None, remote=None) if item.link.up:
                own = nodes.get(item.interface.scope.node)
                root = root_of(network, item.interface.scope.node)
                if own is not None and root is not None and "ip-route/4" not in root.missing and "ip-addr" not in root.missing:
                    yield from first_wrong(item, own, root, [node for node in nodes.values() if node is not own])
            case _:
                continue


def first_wrong(item: Overlay, own: NodeFact, root: Namespace, peers: list[NodeFact]) -> Iterator[Finding]:
    """The first peer that gets packets from an unknown address."""
    mine = registered_address(own)
    for peer in peers:
        target = registered_address(peer)
        found = source_to(root, target) if target is not None else None
        if mine is not None and found is not None and found[0] != mine:
            yield RULE.finding(
                found[1],
                f"{item.link.name} on {root.scope.node} sends to {peer.name} from {found[0]}, but {own.name} is known as {mine}",
                related=[(own.place("metadata", "annotations", CALICO_ADDRESS), f"{own.name} registered {mine}")],
                help=f"ip route change <the route to {target}> src {mine}, or let Calico register {found[0]}",
                certain=not (root.gaps.get("ip-route") or root.gaps.get("ip-rule")),
            )
            return


def source_to(root: Namespace, target: Address) -> tuple[Address, Span] | None:
    """The source that the main table chooses: the route's, else the first address of its device."""
    route = main_route(root, target)
    if route is None or route.kind != "unicast":
        return None
    if route.source is not None:
        return route.source, route.at
    devices = {hop.device for hop in route.next_hops}
    fact = next((fact for fact in root.addresses if fact.device in devices and fact.address.family == 4), None)
    return (fact.address, fact.at) if fact is not None and len(devices) == 1 else None


RULE = Rule("tunnel-source-not-registered", Severity.ERROR, __doc__, check)
