"""The service network overlaps the nodes' network or holds their name servers.

## What it finds
A stated service network that holds a Node's address, that of the API server (`advertiseAddress`, `controlPlaneEndpoint`) or a name server of a node's `resolv.conf`, or overlaps the network of a node's uplink or the destination
of one of its static routes.

## Why it matters
Services take what is meant for those machines: as soon as a service gets the address, the node's name server, VPN or neighbour is gone.

## Example
    --service-cluster-ip-range=10.96.0.0/12        # and nameserver 10.100.0.2

## How to mend
Choose another service network (`ServiceCIDR`, `--service-cluster-ip-range`); existing services must be made anew.

## Sources
projectcalico/calico#2720, kubernetes/kubeadm#1185.
"""

import re
from collections.abc import Iterator

from analyzer.query.control_plane import endpoints
from analyzer.query.plan import node_networks, of_one_node, ranges
from analyzer.query.state import roots
from analyzer.query.tables import RouteFact
from analyzer.rule import Finding, Network, Prefix, Rule, Severity, Span

FOREIGN = re.compile(r"(tun|tap|ppp|wg|eth|en[opsxPv]|em|bond|team|vlan)\w*([.]\d+)?")


def check(network: Network) -> Iterator[Finding]:
    for item in ranges(network, "service"):
        places = [] if of_one_node(item) else list(inside(network, item.prefix))
        if places:
            more = f" (and {len(places) - 1} more)" if len(places) > 1 else ""
            yield RULE.finding(
                item.at,
                f"the service network {item.prefix} ({item.said_by}) overlaps {places[0][1]}{more}",
                related=places[:4],
                help="choose a service network that no node, name server or other machine uses",
            )


def inside(network: Network, prefix: Prefix) -> Iterator[tuple[Span, str]]:
    for node in network.cluster.nodes.values():
        for kind, address in node.addresses:
            if prefix.covers(address):
                yield node.place("status", "addresses"), f"{address}, the {kind} of node {node.name}"
    for one in endpoints(network):
        if one.own and prefix.covers(one.address):
            yield one.at, f"{one.address}, {one.said_by}"
    for item in node_networks(network):
        if item.prefix.overlaps(prefix):
            yield item.at, f"{item.prefix}, the network of {item.interface.device} on {item.interface.scope}"
    for name, resolver in network.resolvers.items():
        for server in resolver.servers:
            if prefix.covers(server) and not is_service(network, server):
                yield resolver.at, f"{server}, a name server of {name}"
    for root in roots(network):
        for route in root.routes.get(prefix.family, {}).get(254, ()):
            if route.destination.length and route.destination.overlaps(prefix) and by_hand(route):
                yield route.at, f"{route.destination}, a static route of {root.scope.node}"


def by_hand(route: RouteFact) -> bool:
    """Whether an administrator, DHCP or a VPN made a route: by its protocol, or, where the text tells none (``ip route`` for one that was added without,
    ``route -n``), by a gateway that is neither link-local nor in the network itself, by a device that no network system makes."""
    if route.protocol in ("static", "dhcp"):
        return True
    ways = [(hop.via, hop.device or "") for hop in route.next_hops]
    return route.protocol in (None, "boot") and any(
        via is not None
        and via.family == 4
        and via.value >> 16 != 0xA9FE
        and not route.destination.covers(via)
        and FOREIGN.fullmatch(device)
        for via, device in ways
    )


def is_service(network: Network, server: object) -> bool:
    """Whether the address is the cluster's own name service (NodeLocal DNS puts it on nodes)."""
    return any(server in fact.cluster_addresses for fact in network.cluster.services.values())


RULE = Rule("service-network-overlaps-nodes", Severity.ERROR, __doc__, check)
