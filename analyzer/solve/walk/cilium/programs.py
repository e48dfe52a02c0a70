"""Packets through Cilium's programs, as they follow from its maps: the programs themselves are not read.

After bpf/bpf_lxc.c (``__tail_handle_ipv4``, ``__per_packet_lb_svc_xlate_4``, ``handle_ipv4_from_lxc``, ``ipv4_policy``, ``tail_handle_arp``), bpf/bpf_overlay.c (``handle_ipv4``),
bpf/bpf_host.c (``inherit_identity_from_host``, ``resolve_srcid_ipv4``, ``handle_ipv4_cont``), bpf/lib/l3.h (``ipv4_local_delivery``), bpf/lib/encap.h, bpf/lib/icmp6.h (``__icmp6_handle_ns``) and bpf/lib/policy.h; the programs of IPv6
do the same, but that they answer solicitations for the router and the endpoints of the node alone.

Its connections are kept apart from those of the kernel: what endpoints opened (OUTGOING), and what came in to them (INCOMING). Answers pass without policy.
"""

from __future__ import annotations

from analyzer.addresses import Address
from analyzer.facts.cilium import HOST, LOWEST, REMOTE_NODE, UNKNOWN, EndpointEntryFact
from analyzer.facts.links import Geneve, Vxlan
from analyzer.model.cilium import HOST_DEVICE
from analyzer.model.network import Interface
from analyzer.solve.packet import UDP, Packet
from analyzer.solve.walk import internet, links, tunnels
from analyzer.solve.walk.cilium import egress as cilium_egress
from analyzer.solve.walk.cilium import ports, uplink
from analyzer.solve.walk.cilium.doubts import at_host, encrypted, foreign, unknown
from analyzer.solve.walk.cilium.maps import CiliumMaps, Node, router_of
from analyzer.solve.walk.cilium.policy import peer_of, policed
from analyzer.solve.walk.cilium.services import looped, to_backend
from analyzer.solve.walk.discovery import packet_of
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.netfilter.hooks import HookPacket, Tracked
from analyzer.solve.walk.netfilter.state import Connections
from analyzer.solve.walk.netfilter.tracking import confirm, manipulated, track
from analyzer.solve.walk.state import Delivered, Endings, Frame, Question, Walk
from analyzer.source import Scope

OUTGOING, INCOMING = "(cilium: opened by endpoints)", "(cilium: come in to endpoints)"
READ = "Cilium's programs on {} do what their maps say; the programs were not read"
MAGIC, OF_HOST, OF_IDENTITY = 0x0F00, 0x0C00, 0x0F00


def arrived(walk: Walk, space: Space, at: Interface, frame: Frame) -> Endings | None:
    """What becomes of a frame that comes in at a device with a program of Cilium; None: there is none, or not one that is walked."""
    maps = space.cilium
    if maps is None or not maps.programmed(at.device):
        return None
    link = space.links[at.device]
    if isinstance(frame.load, Question):
        endpoint = maps.state.devices.get(at.device)
        return links.inward(walk, space, at, link, frame) if endpoint is None else asked(walk, maps, at, frame, endpoint)
    walk.assume(READ.format(space.place))
    endpoint = maps.state.devices.get(at.device)
    if endpoint is not None:
        return from_container(walk, space, maps, at, frame, endpoint)
    if maps.leads_out(at.device):
        return from_outside(walk, space, maps, at, frame)
    return links.inward(walk, space, at, link, frame)


def leaving(walk: Walk, space: Space, at: Interface, frame: Frame) -> Endings | None:
    """What becomes of a frame that leaves by a device with a program of Cilium; None: there is none, or not one that is walked."""
    maps = space.cilium
    if maps is None or not maps.programmed(at.device):
        return None
    link = space.links[at.device]
    load = frame.load
    if isinstance(load, Question):
        if load.target.family == 6 and not load.answer and at.device in maps.state.devices:
            return walk.undecided(
                f"how neighbour discovery of {space.place} gets to the endpoint behind {at} is not walked", link.at
            )
        return links.by_kind(walk, space, at, link, frame)
    if at.device == HOST_DEVICE:
        walk.assume(READ.format(space.place))
        return from_host(walk, space, maps, load)
    endpoint = maps.state.devices.get(at.device)
    if endpoint is not None and maps.state.setup.endpoint_routes:
        walk.assume(READ.format(space.place))
        return to_container(walk, space, maps, load, endpoint)
    return links.by_kind(walk, space, at, link, frame)


def asked(walk: Walk, maps: CiliumMaps, at: Interface, frame: Frame, endpoint: int) -> Endings:
    """The program answers for every address but the endpoint's own (``tail_handle_arp``); in IPv6 for the router and the endpoints of the node."""
    load = frame.load
    assert isinstance(load, Question)
    link = walk.space(at.scope).links[at.device]
    if load.answer:
        return links.inward(walk, walk.space(at.scope), at, link, frame)
    if load.target in maps.own.get(endpoint, ()):
        return links.inward(walk, walk.space(at.scope), at, link, frame)
    if load.target.family == 6 and load.target not in router_of(walk.space(at.scope).addresses):
        entry = maps.endpoints.get(load.target)
        if entry is None:
            reason = f"{at.scope}: Cilium drops the packet (Unknown ICMPv6 neighbour solicitation): {load.target} is no endpoint of the node"
            return walk.drop(at.scope, reason, link.at)
        if entry.host:
            return links.inward(walk, walk.space(at.scope), at, link, frame)
    answer = load._replace(mac=link.mac or 0, answer=True, answered_by=at, at=link.at)
    if load.packet is not None:
        answer = answer._replace(packet=HookPacket(packet_of(answer)))
    return links.transmit(walk, at, Frame(link.mac or 0, frame.source, answer))


def from_container(walk: Walk, space: Space, maps: CiliumMaps, at: Interface, frame: Frame, endpoint: int) -> Endings:
    """``cil_from_container``: the source, the service, egress policy, and on."""
    load = frame.load
    assert isinstance(load, HookPacket)
    packet = load.packet
    source = Address(packet.family, packet.source)
    identity = maps.state.identity_of(endpoint)
    if (doubt := unknown(walk, space, maps, packet) or foreign(walk, space, maps, packet)) is not None:
        return doubt
    if identity is None:
        words = f"{maps.state.settles}/cilium_endpoint_list names no identity of endpoint {endpoint}"
        return walk.undecided(f"what Cilium's program at {at} does is not known: {words}", space.links[at.device].at, words)
    if source not in maps.own.get(endpoint, ()):
        entry = maps.state.entry_of(endpoint, packet.family)
        said = entry.at if entry is not None else space.links[at.device].at
        return walk.drop(
            space.scope,
            f"{space.place}: Cilium drops the packet (Invalid source ip): {source} is none of endpoint {endpoint}",
            said,
        )
    if track(packet, load.quoted, connections(walk, space, INCOMING)).reply:
        if (answer := ports.answered(walk, space, maps, packet)) is not None:
            return uplink.past_stack(walk, space, at, answer)
        return routed(walk, space, maps, at, frame, identity)
    return opened(walk, space, maps, at, frame, endpoint, identity)


def connections(walk: Walk, space: Space, kind: str) -> Connections:
    """One of Cilium's tables of connections of a node."""
    return walk.connections_of(Scope(space.scope.node, kind))


def opened(walk: Walk, space: Space, maps: CiliumMaps, at: Interface, frame: Frame, endpoint: int, identity: int) -> Endings:
    """A packet that is no answer: to the backend of its service, if egress policy lets it."""
    load = frame.load
    assert isinstance(load, HookPacket)
    known = connections(walk, space, OUTGOING)
    tracked = track(load.packet, load.quoted, known)
    packet = load.packet
    if tracked.connection is not None:
        balanced = to_backend(walk, space, maps, packet, tracked, known)
        if not isinstance(balanced, Tracked):
            return balanced
        tracked = balanced
        assert tracked.connection is not None
        packet = manipulated(packet, tracked, tracked.connection, True)
        packet = manipulated(packet, tracked, tracked.connection, False)
    itself = looped(packet, packet.source) and packet.source != load.packet.source
    refused = (
        None if itself else policed(walk, space, maps, endpoint, False, peer_of(maps, packet.family, packet.destination), packet)
    )
    if refused is not None:
        return refused
    confirm(tracked, known)
    if (gone := cilium_egress.redirected(walk, space, maps, packet)) is not None:
        return gone
    return routed(walk, space, maps, at, frame.carrying(load.with_packet(packet), False), identity)


def routed(walk: Walk, space: Space, maps: CiliumMaps, at: Interface, frame: Frame, identity: int) -> Endings:
    """Where a packet of an endpoint goes: to another of the node, to the host, into the tunnel, or on by the stack."""
    load = frame.load
    assert isinstance(load, HookPacket)
    packet, state = load.packet, maps.state
    target = Address(packet.family, packet.destination)
    itself = looped(packet, packet.destination)
    entry = maps.endpoints.get(Address(packet.family, packet.source) if itself else target)
    if entry is not None and not entry.host and (itself or not state.setup.endpoint_routes or looped(packet, packet.source)):
        return delivered(walk, space, maps, packet, entry, identity)
    doubt = encrypted(walk, space, maps) if entry is None else at_host(walk, space, maps) if entry.host else None
    if doubt is not None:
        return doubt
    if entry is None and state.setup.tunnel:
        node = maps.node_of(target)
        if node is not None:
            return encapsulated(walk, space, maps, frame, node, identity)
    if entry is None and state.setup.tunnel is None:
        return walk.undecided(
            f"whether Cilium of {space.place} tunnels is not known", None, f"{state.settles}/cilium_status_--verbose"
        )
    if entry is None and state.setup.host_routing:
        return uplink.past_stack(walk, space, at, packet)
    if entry is None and state.setup.host_routing is None:
        reason = f"whether {space.place} passes by its stack (eBPF host routing) is not known"
        return walk.undecided(reason, None, f"{state.settles}/cilium_status_--verbose")
    return to_stack(walk, space, maps, at, frame, identity)


def to_stack(walk: Walk, space: Space, maps: CiliumMaps, at: Interface, frame: Frame, identity: int) -> Endings:
    """The host's stack goes on with a packet that is marked with its sender's identity (``pass_to_stack``)."""
    load = frame.load
    assert isinstance(load, HookPacket)
    packet = load.packet
    if not maps.state.setup.endpoint_routes:
        if packet.ttl <= 1:
            return walk.drop(space.scope, f"{space.place}: the TTL of {packet} is used up")
        packet = packet.with_ttl(packet.ttl - 1)
    packet = packet.with_mark(marked(identity))
    walk.tell(space.scope, "cilium", f"Cilium hands the packet of identity {identity} to the stack", None, packet)
    return internet.receive(walk, space, at.device, HookPacket(packet).framed(at.device, "unicast", frame.source))


def marked(identity: int) -> int:
    """The mark with an identity (``set_identity_mark``)."""
    return (identity & 0xFFFF) << 16 | (identity & 0xFF0000) >> 16 | OF_IDENTITY


def delivered(
    walk: Walk, space: Space, maps: CiliumMaps, packet: Packet, entry: EndpointEntryFact, identity: int, routed_here: bool = True
) -> Endings:
    """To an endpoint of the node: ingress policy, unless the packet is an answer, then its device."""
    if routed_here:
        if packet.ttl <= 1:
            return walk.drop(space.scope, f"{space.place}: the TTL of {packet} is used up")
        packet = packet.with_ttl(packet.ttl - 1)
    answer = track(packet, None, connections(walk, space, OUTGOING))
    if answer.reply and answer.connection is not None:
        packet = manipulated(packet, answer, answer.connection, False)
        packet = manipulated(packet, answer, answer.connection, True)
        walk.tell(space.scope, "cilium", f"an answer for endpoint {entry.identifier}", entry.at, packet)
        return handed(walk, space, maps, packet, entry)
    known = connections(walk, space, INCOMING)
    tracked = track(packet, None, known)
    if not looped(packet, packet.source) or identity != entry.identity:
        refused = policed(walk, space, maps, entry.identifier, True, identity, packet)
        if refused is not None:
            return refused
    confirm(tracked, known)
    return handed(walk, space, maps, packet, entry)


def handed(walk: Walk, space: Space, maps: CiliumMaps, packet: Packet, entry: EndpointEntryFact) -> Endings:
    """Out of the endpoint's device, to its MAC (``redirect_ep``)."""
    device = maps.device_of.get(entry.identifier, "")
    link = space.links.get(device)
    if link is None:
        named = f"device {entry.index}" if entry.index else "the device"
        return walk.drop(space.scope, f"{space.place}: {named} of endpoint {entry.identifier} is not there", entry.at)
    at = Interface(space.scope, device)
    if not link.up:
        return walk.drop(space.scope, f"{at} is down", link.at)
    peer = walk.index.network.peers.get(at)
    walk.tell(space.scope, "cilium", f"{packet} goes to endpoint {entry.identifier} by {device}", entry.at, packet)
    frame = Frame(entry.node_mac or link.mac or 0, entry.mac or 0, HookPacket(packet), said="the endpoint map", said_at=entry.at)
    if peer is None:
        words = f"the network namespace behind {at}"
        return walk.undecided(f"{words} was not captured", link.at, words)
    return links.through_pair(walk, at, peer, frame)


def encapsulated(walk: Walk, space: Space, maps: CiliumMaps, frame: Frame, node: Node, identity: int) -> Endings:
    """Into the tunnel, with the sender's identity as the tunnel's number; the host's own is a remote node's for others (``__encap_with_nodeid``)."""
    device = maps.state.tunnel_device
    link = space.links.get(device)
    if link is None or not link.up:
        what = f"{space.place} {device}" if device else f"the tunnel device of {space.place}"
        return walk.drop(space.scope, f"{what} is {'down' if link else 'not there'}", link.at if link else node.at)
    number = REMOTE_NODE if identity == HOST else identity
    packet = links.packet_of(frame)
    what = f"Cilium sends the packet of identity {number} by {device} to {node.address}"
    walk.tell(space.scope, "encapsulate", what, node.at, packet)
    outer = tunnels.outer_packet(frame, node.address, 0, True, UDP, maps.state.port, 30)._replace(fragments=True)

    def taken(end: Delivered) -> Endings:
        return from_overlay(walk, end, type(link.kind), outer.destination_port, frame, number)

    return tunnels.carried(walk, space.scope, outer, taken)


def from_overlay(walk: Walk, end: Delivered, kind: type, port: int, frame: Frame, identity: int) -> Endings:
    """``cil_from_overlay`` where the tunnel's packet is taken out."""
    space = walk.space(end.scope)
    maps = space.cilium
    device = next((name for name, link in space.links.items() if takes(link.kind, kind, port) and link.up), "")
    if not device:
        return walk.drop(end.scope, f"no tunnel device of {space.place} takes what comes to port {port}")
    load = frame.load
    assert isinstance(load, HookPacket)
    packet = load.packet.with_mark(0)
    link = space.links[device]
    walk.tell(end.scope, "decapsulate", f"{device} takes the packet of identity {identity} out", link.at, packet)
    if maps is None or device != maps.state.tunnel_device:
        return walk.undecided(
            f"what Cilium of {space.place} does is not known: none of its maps was captured",
            link.at,
            f"the maps of {space.place}",
        )
    walk.assume(READ.format(space.place))
    if (doubt := unknown(walk, space, maps, packet)) is not None:
        return doubt
    if (answer := ports.answered(walk, space, maps, packet)) is not None:
        return uplink.past_stack(walk, space, Interface(space.scope, device), answer)
    if identity == REMOTE_NODE and (fact := maps.whose(Address(packet.family, packet.source))) is not None:
        identity = fact.identity
    entry = maps.endpoints.get(Address(packet.family, packet.destination))
    if entry is not None and not entry.host:
        return delivered(walk, space, maps, packet, entry, identity)
    if (doubt := at_host(walk, space, maps)) is not None:
        return doubt
    if packet.ttl <= 1:
        return walk.drop(space.scope, f"{space.place}: the TTL of {packet} is used up")
    packet = packet.with_ttl(packet.ttl - 1)
    return internet.receive(walk, space, HOST_DEVICE, HookPacket(packet).framed(HOST_DEVICE, "unicast", None))


def takes(kind: object, wanted: type, port: int) -> bool:
    """Whether a device takes every packet of a kind of tunnel that comes to a port."""
    return isinstance(kind, Vxlan | Geneve) and isinstance(kind, wanted) and kind.external and kind.port == port


def from_host(walk: Walk, space: Space, maps: CiliumMaps, load: HookPacket) -> Endings:
    """``cil_from_host``: what the host's stack sends by ``cilium_host``."""
    packet = load.packet
    if (doubt := unknown(walk, space, maps, packet)) is not None:
        return doubt
    if (doubt := at_host(walk, space, maps)) is not None:
        return doubt
    identity = sender_of(maps, packet)
    target = Address(packet.family, packet.destination)
    entry = maps.endpoints.get(target)
    if (entry is None or entry.host) and (doubt := encrypted(walk, space, maps)) is not None:
        return doubt
    if entry is not None and not entry.host:
        return delivered(walk, space, maps, packet.with_mark(0), entry, identity)
    frame = Frame(0, 0, load)
    node = maps.node_of(target) if maps.state.setup.tunnel and entry is None else None
    if node is not None:
        return encapsulated(walk, space, maps, frame, node, identity)
    if entry is None and maps.state.setup.tunnel is not None:
        fact = maps.whose(target)
        place = fact.at if fact is not None else None
        words = "no endpoint of the node, and behind no node of the ipcache"
        return walk.drop(
            space.scope, f"{space.place}: Cilium drops the packet (No tunnel/encapsulation endpoint): {target} is {words}", place
        )
    return walk.undecided(f"what Cilium of {space.place} does with a packet of the host to {target} is not walked")


def sender_of(maps: CiliumMaps, packet: Packet) -> int:
    """The identity of a packet from the stack: by its mark, else by its source (``inherit_identity_from_host``, ``resolve_srcid_ipv4``)."""
    magic = packet.mark & MAGIC
    found = HOST if magic == OF_HOST else maps.state.world(packet.family)
    if magic == OF_IDENTITY:
        found = (packet.mark >> 16) | (packet.mark & 0xFF) << 16
    if found >= LOWEST:
        return found
    fact = maps.whose(Address(packet.family, packet.source))
    return fact.identity if fact is not None and fact.identity not in (UNKNOWN, HOST) else found


def to_container(walk: Walk, space: Space, maps: CiliumMaps, load: HookPacket, endpoint: int) -> Endings:
    """``cil_to_container``: what the stack routes to a pod's own device (endpoint routes)."""
    packet = load.packet
    if (doubt := unknown(walk, space, maps, packet)) is not None:
        return doubt
    entry = maps.state.entry_of(endpoint, packet.family)
    if entry is None:
        words = maps.state.missing.get("cilium-endpoint-map", f"the endpoint map has none with number {endpoint}")
        return walk.undecided(
            f"what Cilium of {space.place} does with a packet for endpoint {endpoint} is not known: {words}", None, words
        )
    return delivered(walk, space, maps, packet.with_mark(0), entry, sender_of(maps, packet), routed_here=False)


def to_backend_from_outside(walk: Walk, space: Space, maps: CiliumMaps, at: Interface, frame: Frame, packet: Packet) -> Endings:
    """A packet for a backend: of this node, of another behind the tunnel, or past the stack to another."""
    assert isinstance(frame.load, HookPacket)
    identity, target = sender_of(maps, frame.load.packet.with_mark(0)), Address(packet.family, packet.destination)
    entry = maps.endpoints.get(target)
    if entry is not None and not entry.host:
        return delivered(walk, space, maps, packet, entry, identity)
    if (doubt := encrypted(walk, space, maps)) is not None:
        return doubt
    node = maps.node_of(target) if maps.state.setup.tunnel else None
    if node is not None:
        return encapsulated(walk, space, maps, frame.carrying(frame.load.with_packet(packet), False), node, identity)
    return uplink.past_stack(walk, space, at, packet)


def from_outside(walk: Walk, space: Space, maps: CiliumMaps, at: Interface, frame: Frame) -> Endings:
    """``cil_from_netdev``: services from outside, pods of the node where the stack is passed by, else the stack."""
    load = frame.load
    assert isinstance(load, HookPacket)
    packet = uplink.unmasqueraded(walk, space, load.packet)
    if (doubt := at_host(walk, space, maps, Address(packet.family, packet.destination))) is not None:
        return doubt
    frame = frame.carrying(load.with_packet(packet), frame.prerouted)
    if (answer := ports.answered(walk, space, maps, packet)) is not None:
        return uplink.past_stack(walk, space, at, answer)
    balanced = ports.asked(walk, space, maps, at, packet)
    if balanced is not None:
        return to_backend_from_outside(walk, space, maps, at, frame, balanced) if isinstance(balanced, Packet) else balanced
    entry = maps.endpoints.get(Address(packet.family, packet.destination))
    if entry is not None and not entry.host and maps.state.setup.host_routing:
        return delivered(walk, space, maps, packet, entry, sender_of(maps, packet.with_mark(0)))
    if entry is not None and not entry.host and maps.state.setup.host_routing is None:
        words = f"{maps.state.settles}/cilium_status_--verbose"
        return walk.undecided(f"whether {space.place} passes by its stack (eBPF host routing) is not known", None, words)
    return links.inward(walk, space, at, space.links[at.device], frame)
