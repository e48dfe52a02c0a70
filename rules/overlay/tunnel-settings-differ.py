"""Nodes of one overlay use different VXLAN ids or ports.

## What it finds
VXLAN devices of the same name whose `id` or `dstport` is not the same on all nodes.

## Why it matters
The receiver has no device for that id, or no socket on that port, and drops the packet.

## Example
    n1: vxlan id 1 ... dstport 8472        n2: vxlan id 1 ... dstport 4789

## How to mend
Make the CNI's configuration equal on all nodes and restart its agents; delete the old device where it stays.

## Sources
vxlan_rcv, vxlan_vs_find_vni (drivers/net/vxlan/vxlan_core.c); poseidon/typhoon#466, #1561.
"""

from collections import Counter
from collections.abc import Iterator

from analyzer.query.tunnels import Overlay, Vxlan, vxlans
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    groups: dict[str, list[tuple[Overlay, Vxlan]]] = {}
    for item, kind in vxlans(network):
        groups.setdefault(item.link.name, []).append((item, kind))
    for name, items in groups.items():
        settings = Counter((kind.identifier, kind.port) for _, kind in items)
        if len(settings) < 2:
            continue
        usual = settings.most_common(1)[0][0]
        reference = next(item for item, kind in items if (kind.identifier, kind.port) == usual)
        for item, kind in items:
            if (kind.identifier, kind.port) != usual:
                yield RULE.finding(
                    item.link.at,
                    f"{name} on {item.interface.scope.node} has {words(kind.identifier, kind.port)}, "
                    f"and on {reference.interface.scope.node} {words(*usual)}",
                    related=[
                        (
                            reference.link.at,
                            f"{words(*usual)} on {settings[usual]} node{'s' * (settings[usual] > 1)}",
                        )
                    ],
                    help=f"give {name} one id and port on all nodes and restart the CNI's agents",
                )


def words(identifier: int | None, port: int) -> str:
    """The settings of a device; one that takes ids from programs (external) has none."""
    return f"port {port}" if identifier is None else f"id {identifier} and port {port}"


RULE = Rule("tunnel-settings-differ", Severity.ERROR, __doc__, check)
