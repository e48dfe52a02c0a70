"""The pod network overlaps the network that the nodes themselves are on.

## What it finds
A pod network that is stated anywhere (Node `podCIDRs`, `--cluster-cidr`, kubeadm, kube-proxy, flannel, Calico's IPPools, Cilium's pools) and holds a Node's
address or that of the API server (`advertiseAddress`, `controlPlaneEndpoint`), or overlaps the network of a node's uplink, or a static route of a node whose gateway is no node.

## Why it matters
For such addresses the node picks the more specific route: traffic to a node, a router or another machine goes to a pod, or the other way round.

## Example
    podSubnet: 192.168.0.0/16        # and the nodes are 192.168.0.11, 192.168.0.12 ...

## How to mend
Choose a pod network that nothing else uses; moving a cluster to another one means new IPPools or rebuilding it.

## Sources
projectcalico/calico#2720, #3979, projectcalico/node#193 (192.167.0.0/12 is 192.160.0.0/12), kubernetes/kubeadm#1185.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from operator import itemgetter

from analyzer.query.control_plane import endpoints
from analyzer.query.plan import NodeFact, OnLink, default_devices, node_networks, ranges
from analyzer.query.state import roots
from analyzer.rule import Address, Finding, Namespace, Network, Prefix, Rule, Severity, Span

Places = list[tuple[Span, str]]


def check(network: Network) -> Iterator[Finding]:
    known, networks = addresses(network), list(node_networks(network))
    routes = list(static_routes(network, frozenset(address for address, *_ in known)))
    control = [one for one in endpoints(network) if one.own]
    for item in ranges(network, "pod"):
        led = [(at, words) for destination, at, words in routes if destination.overlaps(item.prefix)]
        own = [(one.at, f"{one.address}, {one.said_by}") for one in control if item.prefix.covers(one.address)]
        places = [*stated(known, item.prefix), *uplinks(networks, item.prefix), *led, *own]
        if places:
            more = f" (and {len(places) - 1} more)" if len(places) > 1 else ""
            yield RULE.finding(
                item.at,
                f"the pod network {item.prefix} ({item.said_by}) overlaps {places[0][1]}{more}",
                related=places[:4],
                help="choose a pod network that no node, router or other machine uses",
            )


def addresses(network: Network) -> list[tuple[Address, int, str, NodeFact]]:
    """Node addresses of the API in their order, with their place in the order of nodes."""
    found = [(address, kind, node) for node in network.cluster.nodes.values() for kind, address in node.addresses]
    return sorted(((address, place, kind, node) for place, (address, kind, node) in enumerate(found)), key=lambda item: item[:2])


def stated(known: list[tuple[Address, int, str, NodeFact]], prefix: Prefix) -> Places:
    """Node addresses of the API inside the network."""
    start = bisect_left(known, (prefix.family, prefix.value), key=itemgetter(0))
    end = bisect_right(known, (prefix.family, prefix.last), key=itemgetter(0))
    return [
        (node.place("status", "addresses"), f"{address}, the {kind} of node {node.name}")
        for address, _, kind, node in sorted(known[start:end], key=itemgetter(1))
    ]


def uplinks(networks: list[OnLink], prefix: Prefix) -> Places:
    """Networks of the nodes' uplinks."""
    items = [item for item in networks if item.prefix.overlaps(prefix)]
    return [(item.at, f"{item.prefix}, the network of {item.interface.device} on {item.interface.scope}") for item in items]


def static_routes(network: Network, nodes: frozenset[Address]) -> Iterator[tuple[Prefix, Span, str]]:
    """Routes by the uplink to a gateway that is no node, where they lead: those to nodes carry the pod network itself."""
    for root in roots(network):
        devices = default_devices(root)
        for route in (one for by_table in root.routes.values() for one in by_table.get(254, ())):
            if route.protocol not in ("static", "dhcp") or not route.destination.length:
                continue
            gateways = {hop.via for hop in route.next_hops if hop.device in devices}
            if gateways and not any(via is None or via in nodes or held(network, root, via) for via in gateways):
                yield route.destination, route.at, f"{route.destination}, a static route of {root.scope.node}"


def held(network: Network, root: Namespace, address: Address) -> bool:
    """Whether another node's interface has the address."""
    return any(not one.scope.namespace and one.scope != root.scope for one in network.owners.get(address, ()))


RULE = Rule("pod-network-overlaps-nodes", Severity.ERROR, __doc__, check)
