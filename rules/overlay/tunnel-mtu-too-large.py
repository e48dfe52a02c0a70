"""Packets of full size do not fit through the tunnel's underlying network.

## What it finds
A tunnel whose MTU plus its overhead (VXLAN and Geneve 50 bytes over IPv4 and 70 over IPv6, IP-in-IP 20, GRE 24, WireGuard 60 or 80) exceeds the MTU of the device
below it; and a pod's interface with a larger MTU than the tunnel that the node's routes to other pods lead to.

## Why it matters
Small packets work, large ones are fragmented or lost: TLS handshakes and downloads hang. Plain VXLAN lets the kernel fragment the outer packet, so some networks carry it all the same.

## Example
    eth0: mtu 1450    flannel.1: mtu 1450        # needs 1500 on eth0

## How to mend
Set the CNI's MTU to that of the underlying device minus the overhead, and recreate the pods.

## Sources
vxlan_xmit_one, skb_tunnel_check_pmtu; kubeovn/kube-ovn#4254, ovn-org/ovn-kubernetes#2225.
"""

from collections.abc import Iterator

from analyzer.query.state import roots
from analyzer.query.tunnels import Geneve, Overlay, Vxlan, host_ends, overhead, overlays
from analyzer.rule import Finding, Namespace, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    items = list(overlays(network, by_name=True))
    for item in items:
        if not limited_by_routes(network.namespaces[item.interface.scope], item):
            yield from over_lower(item)
    for root in roots(network):
        mine = [item for item in items if item.interface.scope == root.scope and item.link.up and used(root, item.link.name)]
        if mine:
            yield from pods(network, root, min(mine, key=lambda item: item.link.mtu or 1 << 16))


def limited_by_routes(root: Namespace, item: Overlay) -> bool:
    """Whether the device takes its packets from a program (``external``) and routes with an MTU keep them small, as Cilium does, or may."""
    match item.kind:
        case Vxlan(external=True) | Geneve(external=True) if "ip-route/4" in root.missing:
            return True
        case Vxlan(external=True) | Geneve(external=True) as kind if item.lower is not None and item.lower.mtu is not None:
            room = item.lower.mtu - overhead(kind, item.endpoint.family if item.endpoint else 4)
            tables = (routes for by_table in root.routes.values() for routes in by_table.values())
            return any(route.mtu is not None and route.mtu <= room for routes in tables for route in routes)
        case _:
            return False


def over_lower(item: Overlay) -> Iterator[Finding]:
    link, lower = item.link, item.lower
    if not link.up or lower is None or link.mtu is None or lower.mtu is None or link.mtu > 16384:
        return
    needs = link.mtu + overhead(item.kind, item.endpoint.family if item.endpoint else 4)
    if needs > lower.mtu:
        yield RULE.finding(
            link.at,
            f"{link.name} on {item.interface.scope.node} needs {needs} bytes on {lower.name}, which carries {lower.mtu}",
            related=[(lower.at, f"{lower.name} has mtu {lower.mtu}")],
            help=f"set the MTU of {link.name} and of the pods to {lower.mtu - (needs - link.mtu)}",
        )


def used(root: Namespace, device: str) -> bool:
    """Whether a route leads to the device."""
    tables = (routes for by_table in root.routes.values() for number, routes in by_table.items() if number != 255)
    return any(
        hop.device == device and route.protocol != "kernel" for routes in tables for route in routes for hop in route.next_hops
    )


def pods(network: Network, root: Namespace, tunnel: Overlay) -> Iterator[Finding]:
    """Pods whose interface is larger than the tunnel."""
    limit = tunnel.link.mtu
    large = [end for end in host_ends(network, root) if end.inside.name == "eth0" and limit and (end.inside.mtu or 0) > limit]
    if large and limit:
        first = large[0]
        yield RULE.finding(
            first.inside.at,
            f"{first.pod.name} has mtu {first.inside.mtu} on {first.inside.name}, but {tunnel.link.name}, its way to other nodes, carries {limit}"
            + (f" (and so have {len(large) - 1} other pods of {root.scope.node})" if len(large) > 1 else ""),
            related=[(tunnel.link.at, f"{tunnel.link.name} has mtu {limit}")],
            help=f"set the CNI's MTU to {limit} and recreate the pods",
        )


RULE = Rule("tunnel-mtu-too-large", Severity.WARNING, __doc__, check)
