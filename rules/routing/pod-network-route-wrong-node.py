"""A route to a node's pod network leads to another node.

## What it finds
A route whose destination lies in one node's pod network and whose next hop is an address of a different node.

## Why it matters
The other node has no such pods: it drops the packets or sends them back, until the TTL ends.

## Example
    10.244.2.0/24 via 192.168.0.12 dev eth0    # 10.244.2.0/24 belongs to n3, 192.168.0.12 is n2

## How to mend
Correct the next hop; look for two block affinities or a stale lease of the network.

## Sources
projectcalico/calico#6486, #4471.
"""

from collections.abc import Iterator, Mapping

from analyzer.query.networks_of_nodes import Index, covering, indexed, known_addresses, used
from analyzer.query.plan import captured_name
from analyzer.query.state import roots
from analyzer.rule import Address, Finding, Namespace, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    owners, networks = known_addresses(network), indexed(used(network))
    folders = {name: captured_name(network, name) for name in owners.values()}
    for root in roots(network) if networks else ():
        yield from of_root(root, networks, owners, folders)


def of_root(root: Namespace, networks: Index, owners: Mapping[Address, str], folders: Mapping[str, str]) -> Iterator[Finding]:
    """The node's routes into other nodes' networks that lead to yet another one, by one of their next hops or by all."""
    for by_table in root.routes.values():
        for route in by_table.get(254, ()):
            if route.kind != "unicast" or not any(hop.via in owners for hop in route.next_hops):
                continue
            every = covering(networks, route.destination)
            holders = [item for item in every if folders.get(item.node, item.node) != root.scope.node]
            names = {item.node for item in holders}
            misled = [hop.via for hop in route.next_hops if hop.via is not None and owners.get(hop.via, "") not in {"", *names}]
            if not holders or not misled:
                continue
            holder = max(holders, key=lambda item: item.prefix.length)
            some = f" among {len(route.next_hops)} next hops" if len(route.next_hops) > 1 else ""
            yield RULE.finding(
                route.at,
                f"{root.scope.node} sends {route.destination}, the pod network of {holder.node}, to {misled[0]}, which is {owners[misled[0]]}{some}",
                related=[(holder.at, f"{holder.node} has this pod network")],
                help=f"ip route replace {route.destination} via <an address of {holder.node}>",
            )


RULE = Rule("pod-network-route-wrong-node", Severity.ERROR, __doc__, check)
