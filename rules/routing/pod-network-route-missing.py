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

from analyzer.query.state import main_route, root_of
from analyzer.rule import Address, Finding, Namespace, Network, Prefix, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    nodes = network.cluster.nodes
    for name in sorted(nodes):
        root = root_of(network, name)
        if root is None or "ip-route/4" in root.missing:
            continue
        others = [
            (peer, prefix) for peer in sorted(nodes) if peer != name for prefix in nodes[peer].pod_cidrs if prefix.family == 4
        ]
        lost = [(peer, prefix) for peer, prefix in others if not specific(root, prefix)]
        if len(lost) == len(others):
            continue
        for peer, prefix in lost:
            node = nodes[peer]
            kept = next(
                route for other, found in others if (other, found) not in lost and (route := main_route(root, first(found)))
            )
            yield RULE.finding(
                kept.at,
                f"{name} has no route to {prefix}, the pod network of {peer}",
                related=[(node.place("spec", "podCIDRs", 0), f"{peer} has {prefix}")],
                help=f"on {name}: add the route to {prefix} as for the other nodes",
                certain=not root.gaps.get("ip-route"),
            )


def first(prefix: Prefix) -> Address:
    return Address(prefix.family, prefix.value + 1)


def specific(root: Namespace, prefix: Prefix) -> bool:
    route = main_route(root, first(prefix))
    return route is not None and route.destination.length > 0


RULE = Rule("pod-network-route-missing", Severity.ERROR, __doc__, check, ("F37",))
