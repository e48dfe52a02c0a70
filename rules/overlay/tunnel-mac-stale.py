"""A node sends to another node's tunnel with a MAC that the tunnel does not have.

## What it finds
A neighbour entry for the address of another node's VXLAN device whose MAC is not that device's, or, where that node was not captured, not the one that its Node object
tells (flannel's `backend-data`, Calico's `VXLANTunnelMACAddr`); and such an annotation that is not the MAC of the node's own device.

## Why it matters
Encapsulated frames arrive and are dropped without a trace, as meant for another station. systemd's `MACAddressPolicy=persistent` and network managers change the MAC
after flannel has told it to the others.

## Example
    n2: 10.244.1.0 dev flannel.1 lladdr 5e:89:00:00:00:01 PERMANENT       # flannel.1 on n1 has d6:02:00:00:00:01

## How to mend
Restart flannel (or the CNI's agent) on the node whose MAC changed, and set `MACAddressPolicy=none` for its device.

## Sources
eth_type_trans (PACKET_OTHERHOST), vxlan_rcv (drivers/net/vxlan); flannel-io/flannel#1155, #1330, #1788;
libcalico-go, lib/backend/k8s/resources/node.go (annotations).
"""

from collections.abc import Iterator, Mapping

from analyzer.query.plan import node_of
from analyzer.query.state import roots
from analyzer.query.tunnel_ends import TunnelEnd, by_inner, tunnel_ends
from analyzer.rule import Address, Finding, Namespace, Network, Rule, Severity, hardware_text


def check(network: Network) -> Iterator[Finding]:
    ends = tunnel_ends(network)
    known = by_inner(ends)
    for root in roots(network):
        yield from stale_entries(root, known)
    told = {(end.node, end.device): end for end in ends if not end.captured}
    for end in ends:
        name = end.device.rstrip("0123456789") if end.device.startswith("flannel") else end.device
        if end.captured and (told_end := told.get((end.node, name))) is not None:
            yield from stale_annotation(network, end, told_end)


def stale_entries(root: Namespace, known: Mapping[Address, TunnelEnd]) -> Iterator[Finding]:
    """Entries on the node's devices for the addresses of other nodes' devices of the same name."""
    for entry in root.neighbours:
        end = known.get(entry.address)
        if entry.mac is None or end is None or end.node == root.scope.node or not (entry.device or "").startswith(end.device):
            continue
        if end.mac is not None and end.mac != entry.mac:
            yield RULE.finding(
                entry.at,
                f"{root.scope.node} sends to {entry.address} on {end.node} with MAC {hardware_text(entry.mac)}, "
                f"but {end.device if end.captured else end.said} there has {hardware_text(end.mac)}",
                related=[(end.at, f"{end.said} has {hardware_text(end.mac)}")],
                help=f"restart the CNI's agent on {end.node if end.captured else root.scope.node}; set MACAddressPolicy=none for {entry.device}",
            )


def stale_annotation(network: Network, end: TunnelEnd, told: TunnelEnd) -> Iterator[Finding]:
    """What flannel or Calico has told the other nodes, and the device is not."""
    node = node_of(network, end.node)
    if node is not None and told.mac is not None and end.mac is not None and told.mac != end.mac:
        yield RULE.finding(
            told.at,
            f"Node {node.name} tells the others VtepMAC {hardware_text(told.mac)}, but its {end.device} has {hardware_text(end.mac)}",
            related=[(end.at, f"{end.device} has {hardware_text(end.mac)}")],
            help=f"restart the CNI's agent on {node.name}; set MACAddressPolicy=none for {end.device}",
        )


RULE = Rule("tunnel-mac-stale", Severity.ERROR, __doc__, check)
