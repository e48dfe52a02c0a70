"""Frames between interfaces: out of a device, in at another, up to the host.

After ``__dev_queue_xmit`` and ``__netif_receive_skb_core`` (net/core/dev.c), ``eth_type_trans`` (net/ethernet/eth.c), drivers/net/{veth,macvlan,bonding}.c,
net/8021q and net/openvswitch/vport-netdev.c.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.addresses import hardware_text
from analyzer.facts.links import (
    Bond,
    Geneve,
    Ipvlan,
    LinkFact,
    Macvlan,
    OtherKind,
    Tunnel,
    Vlan,
    Vrf,
    Vxlan,
    Wireguard,
    in_datapath,
)
from analyzer.model.hardware import stands_in
from analyzer.model.network import Interface
from analyzer.solve.packet import Packet
from analyzer.solve.walk import (
    bridging,
    control,
    early,
    geneve,
    internet,
    ip_tunnels,
    resolution,
    stacked,
    tunnels,
    underlay,
    wireguard,
)
from analyzer.solve.walk.cilium import programs as cilium
from analyzer.solve.walk.index import Pair, Space
from analyzer.solve.walk.netfilter.hooks import HookPacket
from analyzer.solve.walk.ovs import switch as ovs
from analyzer.solve.walk.state import HEADER, Endings, Frame, Oversized, Question, Walk

DEEP = 72
"""More devices on one way than this are taken for a loop."""


def transmit(walk: Walk, at: Interface, frame: Frame) -> Endings:
    """A frame leaves by a device."""
    pair = walk.index.pair(at)
    if pair is not None and not frame.vlan and walk.depth + 2 <= DEEP:
        return straight(walk, pair, at, frame)
    space = walk.space(at.scope)
    link = space.links.get(at.device)
    if link is None:
        return walk.undecided(f"{at} was not captured", None, f"ip_-d_addr of {space.place}")
    walk.depth += 1
    try:
        return emit(walk, space, at, link, frame)
    finally:
        walk.depth -= 1


def straight(walk: Walk, pair: Pair, at: Interface, frame: Frame) -> Endings:
    """The short form of ``emit``, ``through_pair`` and ``arrive`` for a pair with nothing on the way."""
    packet = packet_of(frame)
    if packet is not None and packet.size is not None and (refused := longer(walk, pair.peer, pair.link, frame, 4)) is not None:
        return refused
    walk.tell(at.scope, "link", pair.said, pair.link.at, packet)
    if pair.granted:
        walk.assume_all(pair.granted)
    walk.depth += 2
    crossing = crossed(frame, pair.near is not pair.far)
    if pair.bridge:
        endings = bridging.enter(walk, pair.far, pair.bridge, pair.peer.device, crossing)
    else:
        endings = arrive_up(walk, pair.far, pair.peer, crossing)
    walk.depth -= 2
    return endings


def emit(walk: Walk, space: Space, at: Interface, link: LinkFact, frame: Frame) -> Endings:
    """Up, with a carrier, past tc, and on by the kind of device."""
    if walk.depth > DEEP:
        return walk.drop(at.scope, f"the frame loops through {at}", link.at)
    if not link.up:
        return walk.drop(at.scope, f"{at} is down", link.at)
    if "NO-CARRIER" in link.flags:
        return walk.drop(at.scope, f"{at} has no carrier", link.at)
    taken = control.unread(walk, space, at, frame, "egress") or cilium.leaving(walk, space, at, frame)
    passed = taken or early.passed(walk, space, at, link, frame, "egress")
    if not isinstance(passed, Frame):
        return passed
    taken = control.filtered(walk, space, at, passed, "egress")
    return taken if taken is not None else by_kind(walk, space, at, link, passed)


def by_kind(walk: Walk, space: Space, at: Interface, link: LinkFact, frame: Frame) -> Endings:
    """What the device's driver does with the frame."""
    match link.kind:
        case OtherKind("veth"):
            return onward(walk, space, at, link, frame)
        case Vxlan() as kind:
            return tunnels.encapsulate_vxlan(walk, space, at, kind, frame)
        case Tunnel() as kind:
            return ip_tunnels.encapsulate(walk, space, at, kind, frame)
        case Geneve() as kind:
            return geneve.encapsulate(walk, space, at, kind, frame)
        case Wireguard():
            return wireguard.encapsulate(walk, space, at, frame)
        case Macvlan(mode):
            return stacked.from_macvlan(walk, at, mode, frame)
        case Ipvlan():
            return stacked.from_ipvlan(walk, at, frame)
        case Vlan(identifier):
            return stacked.from_vlan(walk, at, identifier, frame)
        case Vrf():
            return arrive_up(walk, space, at, frame)
        case OtherKind("dummy"):
            return walk.drop(at.scope, f"{at} is a dummy device: what is sent there is gone", link.at)
        case Bond():
            return from_bond(walk, space, at, link, frame)
        case _:
            return onward(walk, space, at, link, frame)


def onward(walk: Walk, space: Space, at: Interface, link: LinkFact, frame: Frame) -> Endings:
    """Bridges, switches, pairs, and what leads outside."""
    if space.is_bridge(at.device):
        return bridging.from_bridge(walk, space, at, frame)
    if space.is_bond(at.device):
        return from_bond(walk, space, at, link, frame)
    if "LOOPBACK" in link.flags:
        return arrive_up(walk, space, at, frame)
    network = walk.index.network
    if (inner := space.switching.inner(at.device)) is not None:
        return ovs.enter(walk, space, *inner, frame)
    peer = network.peers.get(at)
    if peer is not None:
        return through_pair(walk, at, peer, frame)
    if at in network.segment_of:
        return underlay.onto_segment(walk, at, frame)
    if underlay.switched(space, at.device):
        return underlay.through_switch(walk, space, at, frame)
    if at in network.outside:
        return underlay.onto_segment(walk, at, frame)
    return walk.undecided(f"where {at} leads to is not known", link.at, f"the kind and the other end of {at}")


def from_bond(walk: Walk, space: Space, at: Interface, link: LinkFact, frame: Frame) -> Endings:
    """A bond sends by its active port, or by the first that is up; what leads outside is the bond."""
    if at in walk.index.network.outside or at in walk.index.network.segment_of:
        return underlay.onto_segment(walk, at, frame)
    active = link.kind.active if isinstance(link.kind, Bond) else None
    ports = [name for name in space.ports.get(at.device, ()) if space.links[name].up]
    if active in ports or ports:
        return transmit(walk, Interface(at.scope, active if active in ports and active else ports[0]), frame)
    return walk.drop(at.scope, f"{at} has no port that is up", link.at)


def through_pair(walk: Walk, at: Interface, peer: Interface, frame: Frame) -> Endings:
    """``veth_xmit``: conntrack is forgotten, the mark too when the namespace changes; a frame longer than the peer's MTU is dropped."""
    link = walk.index.link(peer)
    if link is None:
        return walk.undecided(f"{peer} was not captured")
    if (refused := longer(walk, peer, link, frame, 4)) is not None:
        return refused
    walk.tell(at.scope, "link", f"{at.device} is paired with {peer}", link.at, packet_of(frame))
    return arrive(walk, peer, crossed(frame, peer.scope != at.scope))


def crossed(frame: Frame, elsewhere: bool) -> Frame:
    """``skb_scrub_packet``."""
    load = frame.filtered
    if load is None:
        return frame
    packet = load.packet.with_mark(0) if elsewhere and load.packet.mark else load.packet
    return frame.carrying(HookPacket(packet, quoted=load.quoted), False)


def longer(walk: Walk, at: Interface, link: LinkFact, frame: Frame, extra: int = 0) -> Endings | None:
    """``is_skb_forwardable``: frames that are longer than a device's MTU and a VLAN header are dropped."""
    packet = packet_of(frame)
    if packet is None or packet.size is None or link.mtu is None:
        return None
    size = packet.size + HEADER[packet.family]
    if size <= link.mtu + extra:
        return None
    reason = f"{at} takes {link.mtu} bytes and the packet has {size}"
    walk.oversized = Oversized(at.scope, packet, link.mtu, reason, False, False)
    return walk.drop(at.scope, reason, link.at)


def packet_of(frame: Frame) -> Packet | None:
    """The IP packet of a frame; None for questions."""
    return frame.load.packet if isinstance(frame.load, HookPacket) else None


def arrive(walk: Walk, at: Interface, frame: Frame) -> Endings:
    """A frame comes in at a device: tc, VLANs, the device's master, devices over it, the host."""
    space = walk.space(at.scope)
    link = space.links.get(at.device)
    if link is None:
        return walk.undecided(f"{at} was not captured", None, f"ip_-d_addr of {space.place}")
    if not link.up:
        return walk.drop(at.scope, f"{at} is down", link.at)
    walk.depth += 1
    try:
        if walk.depth > DEEP:
            return walk.drop(at.scope, f"the frame loops through {at}", link.at)
        taken = control.unread(walk, space, at, frame, "ingress") or cilium.arrived(walk, space, at, frame)
        taken = taken or control.filtered(walk, space, at, frame, "ingress")
        return taken if taken is not None else inward(walk, space, at, link, frame)
    finally:
        walk.depth -= 1


def from_switch(walk: Walk, at: Interface, frame: Frame) -> Endings:
    """A frame comes out of a switch's own port into the host (``internal_dev_recv``)."""
    space, link = walk.space(at.scope), walk.index.link(at)
    if link is None:
        return walk.undecided(f"{at} was not captured", None, f"ip_-d_addr of {space.place}")
    if not link.up:
        return walk.drop(at.scope, f"{at} is down", link.at, frame.to_all)
    passed = control.filtered(walk, space, at, frame, "ingress") or early.passed(walk, space, at, link, frame, "ingress")
    return taken_in(walk, space, at, link, passed) if isinstance(passed, Frame) else passed


def inward(walk: Walk, space: Space, at: Interface, link: LinkFact, frame: Frame) -> Endings:
    """Who takes a frame that came in: a switch of which the device is a port, or what ``taken_in`` says."""
    passed = early.passed(walk, space, at, link, frame, "ingress")
    if not isinstance(passed, Frame):
        return passed
    frame = passed
    if (port := space.switching.port(at.device)) is not None:
        return ovs.enter(walk, space, *port, frame)
    return taken_in(walk, space, at, link, frame)


def taken_in(walk: Walk, space: Space, at: Interface, link: LinkFact, frame: Frame) -> Endings:
    """Who takes a frame that came in: a VLAN device, the master, a device over it, or the host."""
    if frame.vlan and (tagged := stacked.vlan_device(walk, at, frame.vlan)) is not None:
        return arrive(walk, tagged, frame._replace(vlan=0))
    master = space.master_of(at.device)
    if master is not None and space.is_bridge(master):
        return bridging.enter(walk, space, master, at.device, frame)
    if master is not None and space.is_bond(master):
        return arrive(walk, Interface(at.scope, master), frame)
    if in_datapath(link) and not space.switching.port(at.device):
        return underlay.through_switch(walk, space, at, frame)
    above = stacked.over(walk, at)
    if above:
        return stacked.demultiplex(walk, space, at, above, frame)
    return arrive_up(walk, space, at, frame)


def arrive_up(walk: Walk, space: Space, at: Interface, frame: Frame) -> Endings:
    """The host takes the frame, or sees that it is for another (PACKET_OTHERHOST)."""
    link = space.links[at.device]
    if frame.vlan:
        return walk.drop(at.scope, f"{at} has no device for VLAN {frame.vlan}", link.at, True)
    known = link.mac is not None and link.link_type == "ether" and "LOOPBACK" not in link.flags
    if known and not frame.to_all and frame.destination != link.mac and not isinstance(link.kind, Vrf):
        if stands_in(link.mac) and not walk.index.times(frame.destination):
            text = f"whether {at}, whose MAC was not captured, has {hardware_text(frame.destination)} is not known"
            return walk.undecided(text, link.at, f"ip_-d_link of {space.place}")
        return walk.drop(at.scope, other_host(at, link, frame), frame.said_at or link.at, not frame.said)
    if isinstance(frame.load, Question):
        return resolution.hear(walk, space, at.device, frame, frame.load)
    load = frame.load.framed(at.device, frame.kind, frame.source if known else None)
    return internet.receive(walk, space, at.device, load, frame.prerouted)


def other_host(at: Interface, link: LinkFact, frame: Frame) -> str:
    """Why a host drops a frame that is for another: both MACs, and where they stand."""
    says = f" ({frame.said})" if frame.said else ""
    own = hardware_text(link.mac or 0)
    return f"the frame is for {hardware_text(frame.destination)}{says}, but {at}, where it arrives, has {own}: it is dropped as another host's"


def branches(walk: Walk, ways: Iterator[Endings]) -> Endings:
    """The endings of copies of a frame: each starts with the hops so far."""
    mark = len(walk.hops)
    result: Endings = []
    for endings in ways:
        result += endings
        del walk.hops[mark:]
    return result
