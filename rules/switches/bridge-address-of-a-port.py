"""The pods' bridge takes its hardware address from one of the pods' own interfaces.

## What it finds
A bridge that pods use as their gateway (it has an address of its own) whose hardware address is that of one of its ports, the lowest of all, and that port is the host's end of a pod's
interface.

## Why it matters
A bridge that nobody gave an address takes the lowest of its ports'. When that pod goes, or one with a lower address comes, the bridge's address changes: the other pods know their gateway by the old
one until they ask again, and what they send meanwhile, in connections that stand, is lost.

## Example
    6: cni0: …  link/ether 06:11:22:33:44:55
    9: veth12ab@if3: … master cni0 …  link/ether 06:11:22:33:44:55

## How to mend
Give the bridge an address of its own: `ip link set cni0 address ADDR`, in whatever makes it (for udev, `MACAddressPolicy=persistent` in a `.link` file; for the bridge plugin, a newer one).

## Sources
flannel-io/flannel#1381; net/bridge/br_stp_if.c (br_stp_recalculate_bridge_id: an address that was set is kept).
"""

from collections.abc import Iterator

from analyzer.query.pod_devices import pod_devices
from analyzer.query.state import roots
from analyzer.rule import Finding, Namespace, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        ends = {name: item for name, item in pod_devices(network, root).items() if item.end and item.bridge}
        for bridge in sorted({item.bridge for item in ends.values()}):
            yield from following(root, bridge, frozenset(ends))


def following(root: Namespace, bridge: str, ends: frozenset[str]) -> Iterator[Finding]:
    """A bridge whose address is the lowest of its ports', and a pod's."""
    own = root.links.get(bridge)
    ports = [link for link in root.links.values() if link.master == bridge and link.mac is not None]
    gateway = any(item.device == bridge and item.scope_name != "link" for item in root.addresses)
    if own is None or own.mac is None or not gateway or not ports or own.mac != min(link.mac or 0 for link in ports):
        return
    same = [link for link in ports if link.mac == own.mac]
    if all(link.name in ends for link in same):
        yield RULE.finding(
            own.at,
            f"{bridge} on {root.scope.node} has the hardware address of {same[0].name}, a pod's interface: it changes when that pod goes",
            related=[(same[0].at, "the interface whose address it has")],
            help=f"give {bridge} an address of its own: ip link set {bridge} address ADDR",
            certain=False,
        )


RULE = Rule("bridge-address-of-a-port", Severity.NOTE, __doc__, check)
