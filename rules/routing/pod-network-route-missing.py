"""A node has no route to another node's pod network.

## What it finds
On clusters that route one pod network per node (`Node.spec.podCIDRs`, `CiliumNode` `spec.ipam.podCIDRs`), a node whose main table leads to a peer's pod network only by the default
route, or not at all, while it has routes of its own to other peers' networks, or to its own pods.

## Why it matters
Packets to those pods leave by the default gateway, un-encapsulated, and are lost (or arrive by accident, which hides the fault).

## Example
    10.244.1.0/24 via 10.244.1.0 dev flannel.1 onlink      # n2 is there
    default via 192.168.0.1 dev eth0                       # n3's 10.244.2.0/24 goes here

## How to mend
Restart the CNI's agent on the node, or add the route that its peers have.

## Sources
cilium/cilium#26588, cloudnativelabs/kube-router#972, projectcalico/calico#8751; fib_trie.c (longest prefix).
"""

from collections.abc import Iterator

from analyzer.query.networks_of_nodes import NodeNetwork, used
from analyzer.query.plan import captured_name
from analyzer.query.state import root_of
from analyzer.query.tables import main_route
from analyzer.rule import Address, Finding, Namespace, Network, Prefix, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    if not network.namespaces:
        return
    every = used(network, blocks=False)
    for family in (4, 6):
        mine = [item for item in every if item.prefix.family == family]
        names = sorted({item.node for item in mine} | (set(network.cluster.nodes) if mine else set()))
        known = {name: root for name in names if (root := root_of(network, captured_name(network, name))) is not None}
        by_node = direct(network) or any(
            specific(root, item.prefix) for name, root in known.items() for item in mine if item.node != name
        )
        for name, root in known.items() if by_node else ():
            if f"ip-route/{family}" not in root.missing:
                yield from of_node(root, name, mine, family)


def of_node(root: Namespace, name: str, networks: list[NodeNetwork], family: int) -> Iterator[Finding]:
    """The networks of other nodes that the node has no route to, while it has routes to others, or to its own."""
    found = [(item, main_route(root, first(item.prefix))) for item in networks if item.node != name]
    lost = [item for item, route in found if route is None or not route.destination.length]
    kept = [route for _, route in found if route is not None and route.destination.length]
    own = any(specific(root, item.prefix) or inside(root, item.prefix) for item in networks if item.node == name)
    routes = kept or (list(root.routes.get(family, {}).get(254, ())) if own else [])
    for item in lost if routes else ():
        yield RULE.finding(
            routes[0].at,
            f"{name} has no route to {item.prefix}, the pod network of {item.node}",
            related=[(item.at, f"{item.node} has {item.prefix}")],
            help=f"on {name}: add the route to {item.prefix} as for the other nodes",
            certain=not root.gaps.get("ip-route"),
        )


def direct(network: Network) -> bool:
    """Whether Cilium is told to give every node a route to every other one (auto-direct-node-routes)."""
    maps = (fact for (_, name), fact in network.cluster.config_maps.items() if name == "cilium-config")
    return any((found := fact.data.get("auto-direct-node-routes")) is not None and found.value.strip() == "true" for fact in maps)


def first(prefix: Prefix) -> Address:
    return Address(prefix.family, prefix.value + 1)


def specific(root: Namespace, prefix: Prefix) -> bool:
    route = main_route(root, first(prefix))
    return route is not None and route.destination.length > 0


def inside(root: Namespace, prefix: Prefix) -> bool:
    """Whether there are routes to single pods of a network, as the ptp plugin and others make them."""
    mains = root.routes.get(prefix.family, {}).get(254, ())
    return any(prefix.covers(route.destination) for route in mains if route.destination.length)


RULE = Rule("pod-network-route-missing", Severity.ERROR, __doc__, check)
