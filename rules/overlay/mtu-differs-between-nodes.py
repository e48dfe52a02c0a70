"""Packets of full size from one node do not fit the network interface of another.

## What it finds
Nodes on one network whose uplinks have different MTUs, where what pods of the one send, with the tunnel's header around it, is larger than the uplink of the other: jumbo frames on some nodes only.
Tunnels and pods that keep to the smaller MTU are fine.

## Why it matters
A switch or bridge does not fragment and tells nobody: large packets from the one node to the other are lost, those of the other direction arrive. TCP agrees on the smaller size between two pods;
UDP, and connections by way of a third, hang.

## Example
    n1: eth0 mtu 9000, flannel.1 mtu 8950        n2: eth0 mtu 1500, flannel.1 mtu 1450

## How to mend
Give all uplinks of the network one MTU; or tell the network system the smallest one (flannel `MTU`, Calico `mtu` or `vxlanMTU`, Cilium `mtu`) and recreate the pods.

## Sources
net/core/dev.c (is_skb_forwardable: what is larger than the receiving device's MTU is dropped); IEEE 802.3; ovn-org/ovn-kubernetes#3886, istio/istio#25976.
"""

from collections.abc import Iterator
from typing import NamedTuple

from analyzer.query.plan import node_networks
from analyzer.query.tunnels import Geneve, LinkFact, Overlay, Vxlan, expected_tunnel, host_ends, overhead, overlays
from analyzer.rule import Finding, Namespace, Network, Prefix, Rule, Severity


class Uplink(NamedTuple):
    """A node on a network: the device and its MTU, and the largest packet of pods that leaves by it, with what gives it its size."""

    node: str
    network: Prefix
    link: LinkFact
    mtu: int
    largest: int
    sized: LinkFact


def check(network: Network) -> Iterator[Finding]:
    found = list(uplinks(network))
    told = set()
    for one in found:
        others = [two for two in found if two.network == one.network and two.node != one.node and two.mtu < one.largest]
        small = min(others, key=lambda two: (two.mtu, two.node), default=None)
        if small is not None and (one.node, one.link.name) not in told:
            told.add((one.node, one.link.name))
            more = f" and {len(others) - 1} others" if len(others) > 1 else ""
            yield RULE.finding(
                one.sized.at,
                f"{one.sized.name} on {one.node} lets pods send {one.largest} bytes on {one.link.name}, "
                f"and {small.link.name} of {small.node}{more} takes {small.mtu}",
                related=[
                    (small.link.at, f"{small.link.name} of {small.node} has mtu {small.mtu}"),
                    (one.link.at, f"{one.link.name} has mtu {one.mtu}"),
                ],
                note="some network interfaces take more than their MTU says",
                help="give the uplinks one MTU, or tell the network system the smallest",
                certain=False,
            )


def uplinks(network: Network) -> Iterator[Uplink]:
    """The uplinks of nodes with pods or tunnels."""
    tunnels = [item for item in overlays(network, by_name=True) if item.link.up and carries(network, item)]
    for item in node_networks(network):
        root = network.namespaces[item.interface.scope]
        link = root.links.get(item.interface.device)
        if link is None or not link.mtu:
            continue
        pods = [end.inside for end in host_ends(network, root) if end.inside.name == "eth0" and end.inside.mtu]
        own = [
            one for one in tunnels if one.interface.scope == root.scope and one.lower is not None and one.lower.name == link.name
        ]
        sizes = [(size(root, one, pods), one.link) for one in own] or [(inside.mtu or 0, inside) for inside in pods]
        if sizes:
            largest, sized = max(sizes, key=lambda pair: (pair[0], pair[1].name))
            yield Uplink(root.scope.node, item.prefix, link, link.mtu, min(largest, link.mtu), sized)


def carries(network: Network, item: Overlay) -> bool:
    """Whether a tunnel is a network system's: by its name, or tunl0 with a route."""
    tables = network.namespaces[item.interface.scope].routes.get(4, {}).values()
    routed = any(hop.device == item.link.name for routes in tables for route in routes for hop in route.next_hops)
    return expected_tunnel(item.link.name) or (item.link.name == "tunl0" and routed)


def size(root: Namespace, item: Overlay, pods: list[LinkFact]) -> int:
    """The largest outer packet: by the tunnel's MTU, the pods', and that of routes where a program fills the tunnel."""
    limits = [item.link.mtu or 0]
    if pods:
        limits.append(max(inside.mtu or 0 for inside in pods))
    match item.kind:
        case Vxlan(external=True) | Geneve(external=True):
            tables = (routes for by_table in root.routes.values() for routes in by_table.values())
            told = [route.mtu for routes in tables for route in routes if route.mtu]
            limits += [max(told)] if told else []
        case _:
            pass
    return min(limits) + overhead(item.kind, item.endpoint.family if item.endpoint else 4)


RULE = Rule("mtu-differs-between-nodes", Severity.WARNING, __doc__, check, follows=("tunnel-mtu-too-large",))
