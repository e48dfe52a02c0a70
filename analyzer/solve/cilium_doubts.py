"""What is not known of Cilium's maps where a packet needs them: listings that were not captured, and lines that were not understood."""

from __future__ import annotations

from analyzer.addresses import Address
from analyzer.model.gaps import could_concern
from analyzer.solve.cilium_maps import CiliumMaps
from analyzer.solve.packet import Packet
from analyzer.solve.walk_index import Space
from analyzer.solve.walk_state import Endings, Walk

NEEDED = ("cilium-endpoint-map", "cilium-ipcache")


def unknown(walk: Walk, space: Space, maps: CiliumMaps, packet: Packet) -> Endings | None:
    """The endings of a packet of which it is not known what the programs of a node do; None: all that they need is known."""
    missing = next((maps.state.missing[kind] for kind in NEEDED if kind in maps.state.missing), None)
    if missing is not None:
        return walk.undecided(f"what Cilium of {space.place} does is not known: {missing}", None, missing)
    ends = Address(packet.family, packet.source), Address(packet.family, packet.destination)
    for kind in NEEDED:
        for gap in space.namespace.gaps.get(kind, ()):
            if not any(could_concern(walk.index.network.sources, gap, one) for one in ends):
                continue
            text = f"the line of {space.place} that was not understood ({gap.reason}) says nothing of the packet's ends"
            if not walk.oracle.test(text, gap.at, f"{gap.at}: {gap.reason}"):
                return walk.undecided(f"{gap.at} was not understood: {gap.reason}", gap.at, f"{gap.at}: {gap.reason}")
    return None
