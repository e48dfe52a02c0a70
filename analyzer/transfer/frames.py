"""Frames in the language: how one leaves by a device (``frame``), arrives at one (``receive``) and is taken up by a host (``host``)."""

from __future__ import annotations

from analyzer.addresses import hardware_text
from analyzer.facts.links import Bond, Geneve, Ipvlan, LinkFact, Macvlan, OtherKind, Tunnel, Vlan, Vxlan, Wireguard
from analyzer.model.hardware import stands_in
from analyzer.model.network import Interface
from analyzer.ranges import normalised, single
from analyzer.source import Scope
from analyzer.transfer.bridge import GROUP
from analyzer.transfer.cilium import programs as cilium
from analyzer.transfer.ip_tunnels import tunnel
from analyzer.transfer.ir import (
    KEEP,
    Any,
    Assign,
    Drop,
    End,
    Field,
    If,
    In,
    Match,
    Transfer,
    Unknown,
)
from analyzer.transfer.neighbour import without_frames
from analyzer.transfer.netfilter.early_chains import passing
from analyzer.transfer.ovs.ports import entered
from analyzer.transfer.reach import Reach, bond_of, bridge_of, flood, flows_of, is_bridge, is_switch
from analyzer.transfer.sizes import taken
from analyzer.transfer.space import Context, by_value, drop, goto, seq
from analyzer.transfer.stacked import bridged_macs, forgotten, from_ipvlan, upper_rows
from analyzer.transfer.traffic_control import filters, unread
from analyzer.transfer.tunnel import geneve
from analyzer.transfer.underlay import outside
from analyzer.transfer.vxlan import vxlan
from analyzer.transfer.wireguard import wireguard

SWITCH = "the ports of Open vSwitch on one node are taken to form one learning switch"


def frame_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """A frame leaves by a device: its egress filters, then where the device leads."""
    at = Interface(scope, detail)
    link = context.link(at)
    if link is None:
        return End(Unknown(f"the interface {at} is not in the capture"))
    if not link.up:
        return End(Drop(f"{at} is down"), link.at)
    if not link.carrier and not is_bridge(context, at):
        return End(Drop(f"{at} has no carrier"), link.at)
    fits = taken(link, str(at)) if bridge_of(context, at) is not None else KEEP
    onward = seq(passing(context, at, link, "egress"), leads(context, at, link))
    programmed = cilium.leaving(context, scope, detail, onward)
    if programmed is not None:
        return seq(fits, unread(context, scope, detail, "egress"), programmed)
    return seq(fits, filters(context, scope, detail, "egress"), onward)


def leads(context: Context, at: Interface, link: LinkFact) -> Transfer:
    """What is at the other end of a device."""
    network = context.network
    match link.kind:
        case Vxlan() as kind:
            return vxlan(context, at, kind)
        case Geneve() as kind:
            return geneve(context, at, kind)
        case Tunnel() as kind:
            return tunnel(context, at, kind)
        case Wireguard():
            return wireguard(context, at)
        case Vlan(identifier) if at in network.lower:
            under = network.lower[at]
            return seq(Assign(Field.VLAN, identifier), goto(under.scope, "frame", under.device))
        case Macvlan() | Ipvlan() if at in network.lower:
            return siblings(context, at, link)
        case _:
            return plain(context, at, link)


def plain(context: Context, at: Interface, link: LinkFact) -> Transfer:
    """Loopback, veth pairs, bridges, bonds and devices that lead out of the capture."""
    network = context.network
    if "LOOPBACK" in link.flags or at.device == "lo":
        return goto(at.scope, "looped", at.device)
    port = flows_of(context, at)
    if port is not None and port.kind:
        return entered(context, at.scope, port, {})
    if is_switch(link) and port is None:
        return switched(context, at)
    if at in network.peers:
        return crossed(context, at, network.peers[at])
    if is_bridge(context, at):
        return goto(at.scope, "bridged", f"{at.device} -")
    if at in network.outside:
        return outside(context, at)
    if (isinstance(link.kind, Bond) or "MASTER" in link.flags) and context.ports.get(at):
        return goto(at.scope, "frame", context.ports[at][0])
    if isinstance(link.kind, OtherKind) and link.kind.name in ("dummy", "ifb", "nlmon"):
        return End(Drop(f"the {link.kind.name} device {at} keeps the packet"), link.at)
    return End(Unknown(f"where {at} leads is not in the capture"), link.at)


def crossed(context: Context, at: Interface, peer: Interface) -> Transfer:
    """To the other end of a veth pair: the connection is forgotten, across namespaces the mark too (skb_scrub_packet)."""
    link = context.link(peer)
    if link is not None and not link.up:
        return End(Drop(f"{peer}, the other end of {at}, is down"), link.at)
    scrubbed = KEEP if peer.scope == at.scope else Assign(Field.MARK, 0)
    fits = taken(link, str(peer)) if link is not None else KEEP
    return seq(fits, scrubbed, forgotten(), goto(peer.scope, "receive", peer.device))


def siblings(context: Context, at: Interface, link: LinkFact) -> Transfer:
    """Macvlan and ipvlan devices over one device reach each other in bridge mode: macvlan devices by what comes in by the device under them
    (``macvlan_queue_xmit``). In other modes, and to others, they send by that device."""
    under = context.network.lower[at]
    on = seq(forgotten(), goto(under.scope, "frame", under.device))
    match link.kind:
        case Macvlan("bridge") as kind:
            inward = seq(Assign(Field.MARK, 0), forgotten(), goto(under.scope, "receive", under.device))
            return by_value(Field.DESTINATION_MAC, dict.fromkeys(bridged_macs(context, at, kind), inward), on)
        case Ipvlan() as kind:
            return from_ipvlan(context, at, kind, on)
        case _:
            return on


def switched(context: Context, at: Interface) -> Transfer:
    """Into an Open vSwitch: the port behind which the MAC is."""
    context.assume(SWITCH)
    rows: dict[int, Transfer] = {}
    found: list[Transfer] = []
    for name, link in context.space(at.scope).links.items():
        other = Interface(at.scope, name)
        if name == at.device or not is_switch(link):
            continue
        behind = context.network.peers.get(other)
        if behind is not None:
            found.append(crossed(context, other, behind))
            reach = flood(context, ("receive", behind, 0))
            for mac in macs_of(context, reach):
                rows.setdefault(mac, found[-1])
        elif link.mac is not None and link.kind is not None:
            rows.setdefault(link.mac, seq(forgotten(), goto(at.scope, "host", name)))
    words = f"what the Open vSwitch of {at.scope} does with the frame is not captured"
    return by_value(Field.DESTINATION_MAC, rows, End(Unknown(words)))


def macs_of(context: Context, reach: Reach) -> list[int]:
    """The MACs of the interfaces of a layer-2 network."""
    links = (context.link(host) for host in reach.hosts)
    return [link.mac for link in links if link is not None and link.mac is not None]


def wire_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """A frame comes in from outside, for the host: with the MAC of the interface, or of the bridge that it is a port of."""
    at = Interface(scope, detail)
    bridge = bridge_of(context, at)
    link = context.link(at if bridge is None else bridge)
    mac = link.mac if link is not None and link.mac is not None else 0
    return seq(Assign(Field.DESTINATION_MAC, mac), goto(scope, "receive", detail))


def receive_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """A frame arrives at a device: ingress filters, then the bridge or bond over it, VLAN, macvlan and ipvlan devices, the host."""
    at = Interface(scope, detail)
    link = context.link(at)
    if link is None:
        return End(Unknown(f"the interface {at} is not in the capture"))
    if not link.up:
        return End(Drop(f"{at} is down"), link.at)
    onward = over(context, at, link)
    programmed = cilium.arriving(context, scope, detail, onward)
    if programmed is not None:
        return seq(unread(context, scope, detail, "ingress"), programmed)
    return seq(filters(context, scope, detail, "ingress"), onward)


def over(context: Context, at: Interface, link: LinkFact) -> Transfer:
    """The switch or device that takes the frame."""
    port = flows_of(context, at)
    taken = within(context, at, link) if port is None else entered(context, at.scope, port, {})
    return seq(passing(context, at, link, "ingress"), taken)


def up_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """A frame that comes out of a switch's own port into the host."""
    at = Interface(scope, detail)
    link = context.link(at)
    if link is None:
        return End(Unknown(f"the interface {at} is not in the capture"))
    if not link.up:
        return End(Drop(f"{at} is down"), link.at)
    return seq(filters(context, at.scope, at.device, "ingress"), passing(context, at, link, "ingress"), within(context, at, link))


def within(context: Context, at: Interface, link: LinkFact) -> Transfer:
    """The device over this one that takes the frame."""
    if bridge_of(context, at) is not None:
        return goto(at.scope, "bridge", at.device)
    if (bond := bond_of(context, at)) is not None:
        return goto(at.scope, "receive", bond.device)
    if is_switch(link) and at in context.network.peers:
        return switched(context, at)
    host = goto(at.scope, "host", at.device)
    kinds = {upper: found.kind for upper in context.uppers.get(at, ()) if (found := context.link(upper)) is not None}
    tagged = {
        kind.identifier: seq(Assign(Field.VLAN, 0), goto(upper.scope, "receive", upper.device))
        for upper, kind in kinds.items()
        if isinstance(kind, Vlan)
    }
    lost = drop(f"{at} has no VLAN device for the frame's tag")
    own = upper_rows(context, at, None, host)
    return If(In(Field.VLAN, single(0)), own, by_value(Field.VLAN, tagged, lost))


def host_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """The host takes a frame that carries its MAC (eth_type_trans: others are PACKET_OTHERHOST, which ip_rcv drops)."""
    at = Interface(scope, detail)
    link = context.link(at)
    if link is None or link.mac is None or without_frames(link) or isinstance(link.kind, Ipvlan) or "LOOPBACK" in link.flags:
        return goto(scope, "ip receive", detail)
    if link.link_type != "ether":
        return goto(scope, "ip receive", detail)
    taken: Match = Any((In(Field.DESTINATION_MAC, single(link.mac)), GROUP))
    reason = f"the frame carries another MAC than {hardware_text(link.mac)} of {at}, where it arrives (PACKET_OTHERHOST)"
    refused: Transfer = End(Drop(reason), link.at)
    if stands_in(link.mac):
        others = normalised((mac, mac) for mac in context.hardware)
        words = f"whether {at}, whose MAC was not captured, has the frame's is not known"
        refused = If(In(Field.DESTINATION_MAC, others), refused, End(Unknown(words), link.at))
    return If(taken, goto(scope, "ip receive", detail), refused, link.at)
