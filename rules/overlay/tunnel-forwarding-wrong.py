"""A node does not know behind which node's address a tunnel's MAC is, or knows a wrong one.

## What it finds
On a VXLAN device that does not learn, for the MAC that a neighbour entry gives to another node's device: no forwarding entry (`bridge fdb`), or one whose `dst` is not
the address that the other node's tunnel sends from, or that its Node object tells (flannel's `public-ip`, Calico's `IPv4Address`); a permanent neighbour entry whose MAC has
no forwarding entry; and a route's gateway on such a device without a neighbour entry.

## Why it matters
Without an entry the frame is dropped, with a wrong one it goes to another node, which drops it.

## Example
    d6:02:00:00:00:01 dev flannel.1 dst 192.168.0.99 self permanent        # n1's tunnel is at 192.168.0.11

## How to mend
Restart the CNI's agent on this node; `bridge fdb replace MAC dev flannel.1 dst ADDRESS self permanent` mends it until then.

## Sources
vxlan_xmit, vxlan_find_mac (drivers/net/vxlan/vxlan_core.c); flannel-io/flannel#654, #260, #712.
"""

from collections.abc import Iterator, Mapping

from analyzer.query.tunnel_ends import TunnelEnd, by_hardware, by_inner, tunnel_ends
from analyzer.query.tunnels import ForwardingFact, Overlay, vxlans
from analyzer.rule import Address, Finding, Namespace, Network, Rule, Severity, hardware_text

Entries = Mapping[int, list[ForwardingFact]]


def check(network: Network) -> Iterator[Finding]:
    ends = tunnel_ends(network)
    inner, hardware = by_inner(ends), by_hardware(ends)
    for item, kind in vxlans(network):
        root = network.namespaces[item.interface.scope]
        if kind.learning or kind.external or kind.remote or kind.group or "bridge-fdb" in root.missing:
            continue
        by_mac: dict[int, list[ForwardingFact]] = {}
        for fact in root.forwarding:
            if fact.device == item.link.name:
                by_mac.setdefault(fact.mac, []).append(fact)
        if 0 not in by_mac:
            yield from unresolved(root, item, inner)
        yield from of_device(root, item, by_mac, inner, hardware)


def of_device(
    root: Namespace,
    item: Overlay,
    by_mac: Entries,
    inner: Mapping[Address, TunnelEnd],
    hardware: Mapping[tuple[str, int], list[TunnelEnd]],
) -> Iterator[Finding]:
    """What is wrong with the MACs that neighbour entries name, then with forwarding entries of other MACs."""
    named = set()
    for entry in root.neighbours:
        if entry.device != item.link.name or entry.mac is None:
            continue
        other = elsewhere(inner.get(entry.address), item)
        if other is not None:
            named.add(entry.mac)
        entries = [fact for fact in by_mac.get(entry.mac, ()) if fact.destination is not None]
        if entries and other is not None:
            yield from misled(root, item, entries, other)
        elif not entries and 0 not in by_mac and (other is not None or (by_mac and "PERMANENT" in entry.states)):
            yield RULE.finding(
                entry.at,
                f"{root.scope.node} has no forwarding entry on {item.link.name} for {hardware_text(entry.mac)}, so frames to "
                f"{other.node if other is not None else entry.address} are dropped",
                related=[(item.link.at, f"{item.link.name} does not learn")],
                help=remedy(root, item, entry.mac, other.outer if other is not None else None),
                certain=not root.gaps.get("bridge-fdb"),
            )
    for mac, facts in by_mac.items():
        owners = [end for end in hardware.get((item.link.name, mac), ()) if end.node != root.scope.node]
        entries = [fact for fact in facts if fact.destination is not None]
        if mac not in named and len(owners) == 1 and entries:
            yield from misled(root, item, entries, owners[0])


def unresolved(root: Namespace, item: Overlay, inner: Mapping[Address, TunnelEnd]) -> Iterator[Finding]:
    """Gateways on the device without a neighbour entry: nobody can be asked, since no forwarding entry takes broadcasts."""
    known = {entry.address for entry in root.neighbours if entry.device == item.link.name and entry.mac is not None}
    told: set[Address] = set()
    routes = (
        [route for by_table in root.routes.values() for route in by_table.get(254, ())] if "ip-neigh" not in root.missing else []
    )
    for route in routes:
        for hop in route.next_hops:
            other = elsewhere(inner.get(hop.via), item) if hop.via and hop.device == item.link.name else None
            if hop.via is None or other is None or hop.via in known or hop.via in told:
                continue
            told.add(hop.via)
            yield RULE.finding(
                route.at,
                f"{root.scope.node} has no neighbour entry for {hop.via} on {item.link.name}, the gateway to {route.destination}",
                related=[(other.at, f"{other.said} has that address")],
                help=f"restart the CNI's agent on {root.scope.node}"
                + (
                    f"; ip neigh replace {hop.via} dev {item.link.name} lladdr {hardware_text(other.mac)} nud permanent"
                    if other.mac
                    else ""
                ),
                certain=not root.gaps.get("ip-neigh"),
            )


def elsewhere(end: TunnelEnd | None, item: Overlay) -> TunnelEnd | None:
    """The end, where it is one of another node and of the same overlay."""
    return end if end is not None and end.node != item.interface.scope.node and item.link.name.startswith(end.device) else None


def misled(root: Namespace, item: Overlay, entries: list[ForwardingFact], other: TunnelEnd) -> Iterator[Finding]:
    """Forwarding entries of which none leads to where the other end is."""
    if other.outer is None or any(fact.destination == other.outer for fact in entries):
        return
    node, name, mac = root.scope.node, item.link.name, entries[0].mac
    yield RULE.finding(
        entries[0].at,
        f"{node} sends frames for {other.node}'s {name} ({hardware_text(mac)}) to {entries[0].destination}, but that tunnel is at {other.outer}",
        related=[(other.at, f"{other.said} sends from {other.outer}")],
        help=remedy(root, item, mac, other.outer),
    )


def remedy(root: Namespace, item: Overlay, mac: int, endpoint: Address | None) -> str:
    """What mends a forwarding entry."""
    target = str(endpoint) if endpoint is not None else "ADDRESS"
    return f"on {root.scope.node}: bridge fdb replace {hardware_text(mac)} dev {item.link.name} dst {target} self permanent; restart the CNI's agent"


RULE = Rule("tunnel-forwarding-wrong", Severity.ERROR, __doc__, check, follows=("tunnel-mac-stale",))
