"""A node sends to another node's tunnel with a MAC that the tunnel does not have.

## What it finds
A neighbour entry for the address of another node's VXLAN device whose MAC is not that device's; and a Node annotation `flannel.alpha.coreos.com/backend-data`
whose `VtepMAC` is not the MAC of the node's device.

## Why it matters
Encapsulated frames arrive and are dropped without a trace, as meant for another station. systemd's `MACAddressPolicy=persistent` and network managers change the MAC
after flannel has told it to the others.

## Example
    n2: 10.244.1.0 dev flannel.1 lladdr 5e:89:00:00:00:01 PERMANENT       # flannel.1 on n1 has d6:02:00:00:00:01

## How to mend
Restart flannel (or the CNI's agent) on the node whose MAC changed, and set `MACAddressPolicy=none` for its device.

## Sources
eth_type_trans (PACKET_OTHERHOST), vxlan_rcv (drivers/net/vxlan); flannel-io/flannel#1155, #1330, #1788.
"""

import re
from collections.abc import Iterator

from analyzer.query.plan import node_of
from analyzer.query.tunnels import Overlay, vxlans
from analyzer.rule import Finding, Interface, Network, Rule, Severity, hardware_text

DATA = "flannel.alpha.coreos.com/backend-data"
MAC = re.compile(r'"VtepMAC"\s*:\s*"([0-9a-fA-F:]{11,17})"')


def check(network: Network) -> Iterator[Finding]:
    devices = {item.interface: item for item, _ in vxlans(network)}
    for item in devices.values():
        yield from stale_entries(network, item, devices)
        yield from stale_annotation(network, item)


def stale_entries(network: Network, item: Overlay, devices: dict[Interface, Overlay]) -> Iterator[Finding]:
    """Entries on this device for the addresses of other nodes' devices of the same name."""
    root = network.namespaces[item.interface.scope]
    for entry in root.neighbours:
        if entry.device != item.link.name or entry.mac is None:
            continue
        for holder in network.owners.get(entry.address, ()):
            other = devices.get(holder)
            if other is None or holder.scope == root.scope or holder.device != item.link.name or other.link.mac is None:
                continue
            if other.link.mac != entry.mac:
                yield RULE.finding(
                    entry.at,
                    f"{root.scope.node} sends to {entry.address} on {holder.scope.node} with MAC {hardware_text(entry.mac)}, "
                    f"but {holder.device} there has {hardware_text(other.link.mac)}",
                    related=[(other.link.at, f"{holder.device} of {holder.scope.node} has {hardware_text(other.link.mac)}")],
                    help=f"restart the CNI's agent on {holder.scope.node}; set MACAddressPolicy=none for {holder.device}",
                )


def stale_annotation(network: Network, item: Overlay) -> Iterator[Finding]:
    """What flannel has told the other nodes."""
    node = node_of(network, item.interface.scope.node)
    if node is None or not item.link.name.startswith("flannel.") or item.link.mac is None:
        return
    found = MAC.search(node.annotations.get(DATA, ""))
    if found and found.group(1).lower() != hardware_text(item.link.mac):
        yield RULE.finding(
            node.place("metadata", "annotations", DATA),
            f"Node {node.name} tells the others VtepMAC {found.group(1).lower()}, but its {item.link.name} has {hardware_text(item.link.mac)}",
            related=[(item.link.at, f"{item.link.name} has {hardware_text(item.link.mac)}")],
            help=f"restart flannel on {node.name}; set MACAddressPolicy=none for {item.link.name}",
        )


RULE = Rule("tunnel-mac-stale", Severity.ERROR, __doc__, check)
