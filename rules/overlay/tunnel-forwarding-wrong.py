"""A node does not know behind which node's address a tunnel's MAC is, or knows a wrong one.

## What it finds
On a VXLAN device that does not learn, for the MAC that a neighbour entry gives to another node's device: no forwarding entry (`bridge fdb`), or one whose `dst` is not
the address that the other node's tunnel sends from; and a route's gateway on such a device without a neighbour entry.

## Why it matters
Without an entry the frame is dropped, with a wrong one it goes to another node, which drops it.

## Example
    d6:02:00:00:00:01 dev flannel.1 dst 192.168.0.99 self permanent        # n1's tunnel is at 192.168.0.11

## How to mend
Restart the CNI's agent on this node; `bridge fdb replace MAC dev flannel.1 dst ADDRESS self permanent` mends it until then.

## Sources
vxlan_xmit, vxlan_find_mac (drivers/net/vxlan/vxlan_core.c); flannel-io/flannel#654, #260, #712.
"""

from collections.abc import Iterator

from analyzer.query.tunnels import ForwardingFact, Overlay, vxlans
from analyzer.rule import Address, Finding, Interface, Namespace, Network, Rule, Severity, Span, hardware_text

Entries = dict[int, list[ForwardingFact]]


def check(network: Network) -> Iterator[Finding]:
    devices = {item.interface: item for item, _ in vxlans(network)}
    for item, kind in vxlans(network):
        root = network.namespaces[item.interface.scope]
        if kind.learning or kind.external or kind.remote or kind.group or "bridge-fdb" in root.missing:
            continue
        by_mac: dict[int, list[ForwardingFact]] = {}
        for fact in root.forwarding:
            if fact.device == item.link.name:
                by_mac.setdefault(fact.mac, []).append(fact)
        if 0 not in by_mac:
            yield from unresolved(network, root, item, devices)
        for entry in root.neighbours:
            other = owner(network, devices, item, entry.address)
            if entry.device == item.link.name and entry.mac is not None and other is not None and other.endpoint is not None:
                yield from entry_findings(root, item, by_mac, (entry.mac, entry.at), other, other.endpoint)


def unresolved(network: Network, root: Namespace, item: Overlay, devices: dict[Interface, Overlay]) -> Iterator[Finding]:
    """Gateways on the device without a neighbour entry: nobody can be asked, since no forwarding entry takes broadcasts."""
    known = {entry.address for entry in root.neighbours if entry.device == item.link.name and entry.mac is not None}
    told: set[Address] = set()
    routes = root.routes.get(4, {}).get(254, ()) if "ip-neigh" not in root.missing else ()
    for route in routes:
        for hop in route.next_hops:
            other = owner(network, devices, item, hop.via) if hop.via and hop.device == item.link.name else None
            if hop.via is None or other is None or hop.via in known or hop.via in told:
                continue
            told.add(hop.via)
            mac = other.link.mac
            yield RULE.finding(
                route.at,
                f"{root.scope.node} has no neighbour entry for {hop.via} on {item.link.name}, the gateway to {route.destination}",
                related=[(other.link.at, f"{other.link.name} of {other.interface.scope.node} has that address")],
                help=f"restart the CNI's agent on {root.scope.node}"
                + (f"; ip neigh replace {hop.via} dev {item.link.name} lladdr {hardware_text(mac)} nud permanent" if mac else ""),
                certain=not root.gaps.get("ip-neigh"),
            )


def owner(network: Network, devices: dict[Interface, Overlay], item: Overlay, address: Address) -> Overlay | None:
    """The other node's device of the same name that holds an address."""
    holders = (devices.get(at) for at in network.owners.get(address, ()) if at.scope != item.interface.scope)
    return next((other for other in holders if other is not None and other.link.name == item.link.name), None)


def entry_findings(
    root: Namespace, item: Overlay, by_mac: Entries, known: tuple[int, Span], other: Overlay, endpoint: Address
) -> Iterator[Finding]:
    mac, place = known
    name, node, there = item.link.name, root.scope.node, other.interface.scope.node
    entries = [fact for fact in by_mac.get(mac, ()) if fact.destination is not None]
    remedy = (
        f"on {node}: bridge fdb replace {hardware_text(mac)} dev {name} dst {endpoint} self permanent; restart the CNI's agent"
    )
    if any(fact.destination == endpoint for fact in entries):
        return
    if entries:
        yield RULE.finding(
            entries[0].at,
            f"{node} sends frames for {there}'s {name} ({hardware_text(mac)}) to {entries[0].destination}, but that tunnel is at {endpoint}",
            related=[
                (other.link.at, f"{name} of {there} sends from {endpoint}"),
                (place, "the neighbour entry that names the MAC"),
            ],
            help=remedy,
        )
    elif 0 not in by_mac:
        yield RULE.finding(
            place,
            f"{node} has no forwarding entry on {name} for {hardware_text(mac)}, so frames to {there} are dropped",
            related=[(item.link.at, f"{name} does not learn")],
            help=remedy,
            certain=not root.gaps.get("bridge-fdb"),
        )


RULE = Rule("tunnel-forwarding-wrong", Severity.ERROR, __doc__, check)
