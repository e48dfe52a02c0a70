"""Two owners on one node want the same UDP port for their tunnels.

## What it finds
Two VXLAN devices whose sockets are in one namespace, with the same `dstport`, of which one is `external` (collect metadata) and the other is not; or a
process that listens on the port of a VXLAN device.

## Why it matters
The kernel opens one socket for a port and one set of receive flags. The device that comes second cannot be brought up ("Address already in use").

## Example
    flannel.1:    vxlan id 1 ... dstport 8472
    cilium_vxlan: vxlan external ... dstport 8472

## How to mend
Delete the device of the CNI that is no longer used, or give one of them another port.

## Sources
vxlan_sock_add, vxlan_find_sock (VXLAN_F_RCV_FLAGS, drivers/net/vxlan/vxlan_core.c); cilium/cilium#8990, #3219.
"""

from collections.abc import Iterator

from analyzer.query.tunnels import Overlay, vxlans
from analyzer.rule import Finding, Network, Rule, Severity

UDP = 17


def check(network: Network) -> Iterator[Finding]:
    sockets: dict[tuple[object, int], list[tuple[Overlay, bool]]] = {}
    for item, kind in vxlans(network):
        home = network.sockets.get(item.interface, item.interface.scope)
        sockets.setdefault((home, kind.port), []).append((item, kind.external))
        yield from listening(network, item, kind.port)
    for (_, port), items in sockets.items():
        first = items[0]
        for item, external in items[1:]:
            if external != first[1]:
                down = next((one for one in (item, first[0]) if not one.link.up), item)
                other = first[0] if down is item else item
                yield RULE.finding(
                    down.link.at,
                    f"{down.link.name} and {other.link.name} on {down.interface.scope.node} both want UDP port {port}: one of them cannot be up",
                    related=[(other.link.at, f"{other.link.name} uses port {port}")],
                    help=f"ip link delete the device that is no longer used, or give {down.link.name} another port",
                    severity=Severity.ERROR if not (down.link.up and other.link.up) else Severity.WARNING,
                )


def listening(network: Network, item: Overlay, port: int) -> Iterator[Finding]:
    """A process on the tunnel's port; the kernel's own socket has no process."""
    home = network.namespaces.get(network.sockets.get(item.interface, item.interface.scope))
    for fact in (home.listeners or ()) if home else ():
        if fact.protocol == UDP and fact.port == port and fact.process:
            yield RULE.finding(
                fact.at,
                f"{fact.process} listens on UDP port {port} of {item.interface.scope.node}, which {item.link.name} needs",
                related=[(item.link.at, f"{item.link.name} uses port {port}")],
                help=f"stop {fact.process}, or give {item.link.name} another port",
            )


RULE = Rule("tunnel-port-taken", Severity.ERROR, __doc__, check)
