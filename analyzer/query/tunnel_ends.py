"""The ends of overlays' VXLAN tunnels, as the nodes' devices are and as the nodes have told each other (``told_ends.py``)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from analyzer.addresses import Address
from analyzer.facts.links import LinkFact, Vxlan
from analyzer.model.network import Interface, Network
from analyzer.query.state import roots
from analyzer.query.told_ends import TunnelEnd, told
from analyzer.query.tunnels import overlays

__all__ = ["TunnelEnd"]

VXLANS = ("flannel.", "flannel-v6.", "vxlan.calico", "vxlan-v6.calico")


def tunnel_ends(network: Network) -> list[TunnelEnd]:
    """Every end that is known, the captured devices first; of a device whose addresses were not captured those that its node has told."""
    said = [end for _, node in sorted(network.cluster.nodes.items()) for end in told(network, node)]
    found = []
    for end in devices(network):
        same = [one for one in said if one.node == end.node and end.device.startswith(one.device)]
        found.append(replace(end, inner=same[0].inner) if same and not end.inner else end)
    return [*found, *said]


def devices(network: Network) -> Iterator[TunnelEnd]:
    """Captured devices: VXLANs, and those with a network system's name for one, where the text does not say the kind."""
    known = {item.interface: item for item in overlays(network)}
    for root in roots(network):
        for name, link in root.links.items():
            item = known.get(Interface(root.scope, name))
            if is_vxlan(link):
                inner = tuple(fact.address for fact in root.addresses if fact.device == name)
                outer = item.endpoint if item is not None else None
                yield TunnelEnd(root.scope.node, name, inner, link.mac, outer, link.at, f"{name} of {root.scope.node}", True)


def is_vxlan(link: LinkFact) -> bool:
    """Whether a device is a VXLAN, by its kind or, where that was not printed, by its name."""
    return isinstance(link.kind, Vxlan) or (link.kind is None and link.name.startswith(VXLANS))


def by_inner(ends: list[TunnelEnd]) -> dict[Address, TunnelEnd]:
    """The ends by their inner addresses; a captured device before what was told."""
    found: dict[Address, TunnelEnd] = {}
    for end in ends:
        for held in end.inner:
            found.setdefault(held, end)
    return found


def by_hardware(ends: list[TunnelEnd]) -> dict[tuple[str, int], list[TunnelEnd]]:
    """The captured ends by device and MAC: MACs may be equal on several nodes."""
    found: dict[tuple[str, int], list[TunnelEnd]] = {}
    for end in ends:
        if end.captured and end.mac is not None:
            found.setdefault((end.device, end.mac), []).append(end)
    return found
