"""What is not known of Cilium's maps where a packet needs them: listings that were not captured, and lines that were not understood."""

from __future__ import annotations

from analyzer.addresses import Address
from analyzer.model.gaps import could_concern
from analyzer.solve.packet import SCTP, Packet
from analyzer.solve.walk.cilium.maps import CiliumMaps
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.state import Endings, Walk

NEEDED = ("cilium-endpoint-map", "cilium-ipcache")


def unknown(walk: Walk, space: Space, maps: CiliumMaps, packet: Packet) -> Endings | None:
    """The endings of a packet of which it is not known what the programs of a node do; None: all that they need is known. The first line that was not
    understood and could be about the packet stands for all."""
    missing = next((maps.state.missing[kind] for kind in NEEDED if kind in maps.state.missing), None)
    if missing is not None:
        return walk.undecided(f"what Cilium of {space.place} does is not known: {missing}", None, missing)
    ends = Address(packet.family, packet.source), Address(packet.family, packet.destination)
    lines = (gap for kind in NEEDED for gap in space.namespace.gaps.get(kind, ()))
    gap = next((one for one in lines if any(could_concern(walk.index.network.sources, one, end) for end in ends)), None)
    if gap is None:
        return None
    text = f"the line of {space.place} that was not understood ({gap.reason}) says nothing of the packet's ends"
    if walk.oracle.test(text, gap.at, f"{gap.at}: {gap.reason}"):
        return None
    return walk.undecided(f"{gap.at} was not understood: {gap.reason}", gap.at, f"{gap.at}: {gap.reason}")


def foreign(walk: Walk, space: Space, maps: CiliumMaps, packet: Packet) -> Endings | None:
    """The end of a packet of SCTP where Cilium does not take it (bpf/lib/conntrack.h ``ct_extract_ports4``, which has the case under ENABLE_SCTP alone)."""
    if packet.protocol != SCTP or maps.state.setup.sctp is not False:
        return None
    return walk.drop(space.scope, f"{space.place}: Cilium drops the packet (CT: Unknown L4 protocol): SCTP is off (enable-sctp)")


def encrypted(walk: Walk, space: Space, maps: CiliumMaps) -> Endings | None:
    """A packet to another node, while packets between nodes are encrypted, which is not walked."""
    kind = maps.state.setup.encryption
    text = f"what {space.place} encrypts between nodes ({kind}) gets there as the rest does"
    if not kind or walk.oracle.test(text, None, text):
        return None
    return walk.undecided(f"it is not known whether {text}", None, "the state of the encryption")


def at_host(walk: Walk, space: Space, maps: CiliumMaps, *ends: Address) -> Endings | None:
    """A packet of the host, or for it (one of ``ends`` is its address, where any are given), while host policies may be enforced, which are not walked."""
    if ends and not any((entry := maps.endpoints.get(end)) is not None and entry.host for end in ends):
        return None
    firewall = maps.state.setup.firewall
    if firewall is None:
        walk.assume(
            f"the host firewall of {space.place} is off, as it is by default ({maps.state.settles}/cilium_status_--verbose)"
        )
    text = f"host policies of {space.place} let the packet pass (its host firewall is on)"
    if not firewall or walk.oracle.test(text, None, text):
        return None
    return walk.undecided(f"it is not known whether {text}", None, "the policy map of the host's endpoint")
