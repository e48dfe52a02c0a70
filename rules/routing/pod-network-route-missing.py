"""A node has no route to another node's pod network.

## What it finds
On clusters that route one pod network per node (`Node.spec.podCIDRs`), a node whose main table leads to a peer's pod network only by the default
route, or not at all, while it has routes of its own to other peers' networks.

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

from analyzer.query.plan import NodeFact
from analyzer.query.state import main_route, root_of
from analyzer.rule import Address, Finding, Namespace, Network, Prefix, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    nodes = network.cluster.nodes
    known = [root for name in sorted(nodes) if (root := root_of(network, name)) is not None]
    by_node = any(
        specific(root, prefix) for root in known for peer in nodes if peer != root.scope.node for prefix in four(nodes[peer])
    )
    for name in sorted(nodes) if by_node else ():
        root = root_of(network, name)
        if root is None or "ip-route/4" in root.missing:
            continue
        others = [(peer, prefix) for peer in sorted(nodes) if peer != name for prefix in four(nodes[peer])]
        lost = [(peer, prefix) for peer, prefix in others if not specific(root, prefix)]
        kept = [route for peer, found in others if (peer, found) not in lost and (route := main_route(root, first(found)))]
        own = any(specific(root, prefix) for prefix in four(nodes[name]))
        routes = kept or (list(root.routes.get(4, {}).get(254, ())) if own else [])
        for peer, prefix in lost if routes else ():
            node = nodes[peer]
            yield RULE.finding(
                routes[0].at,
                f"{name} has no route to {prefix}, the pod network of {peer}",
                related=[(node.place("spec", "podCIDRs", 0), f"{peer} has {prefix}")],
                help=f"on {name}: add the route to {prefix} as for the other nodes",
                certain=not root.gaps.get("ip-route"),
            )


def four(node: NodeFact) -> list[Prefix]:
    return [prefix for prefix in node.pod_cidrs if prefix.family == 4]


def first(prefix: Prefix) -> Address:
    return Address(prefix.family, prefix.value + 1)


def specific(root: Namespace, prefix: Prefix) -> bool:
    route = main_route(root, first(prefix))
    return route is not None and route.destination.length > 0


RULE = Rule("pod-network-route-missing", Severity.ERROR, __doc__, check)
