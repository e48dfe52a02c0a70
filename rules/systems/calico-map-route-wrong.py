"""The routing map of Calico's eBPF dataplane leads a pod's packets elsewhere.

## What it finds
On a captured node whose maps were dumped, for each pod of the cluster: an entry that says the pod is on this node where it is on another, or on another where it is on this one; an entry of a local pod with another interface than
the one that the node's own route to it names; and an entry of another node's pod whose next hop is the address of a third node.

## Why it matters
The programs on the interfaces follow this map and not the routing table: packets to the pod are dropped, or sent to a node that does not have it.

## Example
    10.65.1.5/32: local workload in-pool nat-out idx 11          # and default/web-1 runs on n2

## How to mend
Restart calico-node on the node, which writes the map anew.

## Sources
projectcalico/calico felix/bpf/routes/map.go, felix/bpf-gpl/routes.h, felix/cmd/calico-bpf/commands/routes.go.
"""

from collections.abc import Iterator

from analyzer.query.calico_maps import MapRouteFact, entry_for, map_routes, pods
from analyzer.query.systems.sessions import holders
from analyzer.query.tables import main_route
from analyzer.rule import Address, Finding, Namespace, Network, Rule, Severity, Span


def check(network: Network) -> Iterator[Finding]:
    for root, entries in map_routes(network):
        held = holders(network)
        for pod in pods(network):
            node = network.node_names.get(pod.node, pod.node)
            for address in pod.addresses:
                entry = entry_for(entries, address)
                if entry is not None and entry.kind == "workload":
                    name = f"{pod.namespace}/{pod.name}"
                    yield from wrong(root, held, (name, node, pod.at), address, entry)


def wrong(
    root: Namespace, held: dict[Address, str], pod: tuple[str, str, Span], address: Address, entry: MapRouteFact
) -> Iterator[Finding]:
    """What an entry says of a pod (its name, its node, its place) that is not so."""
    name, node, place = pod
    here = root.scope.node
    if entry.local != (node == here):
        said = "this node" if entry.local else "another node"
        text = f"the map of {here} has {address} of {name} on {said}, and it runs on {node}"
        yield RULE.finding(entry.at, text, related=[(place, "the pod")])
    elif entry.local:
        yield from by_interface(root, name, address, entry)
    elif entry.via is not None and held.get(entry.via) not in (None, node):
        text = f"the map of {here} sends what is for {address} of {name} to {entry.via}, which is {held[entry.via]}; it runs on {node}"
        yield RULE.finding(entry.at, text, related=[(place, "the pod")])


def by_interface(root: Namespace, name: str, address: Address, entry: MapRouteFact) -> Iterator[Finding]:
    """An entry of a local pod against the node's own route to it."""
    route = main_route(root, address)
    device = (
        route.next_hops[0].device if route is not None and route.destination.length in (32, 128) and route.next_hops else None
    )
    link = root.links.get(device or "")
    if route is None or link is None or entry.index is None or link.index == entry.index:
        return
    text = f"the map of {root.scope.node} has {address} of {name} behind interface {entry.index}, and the node's route leads to {device}, which is {link.index}"
    yield RULE.finding(entry.at, text, related=[(route.at, "the node's route")])


RULE = Rule("calico-map-route-wrong", Severity.ERROR, __doc__, check)
