"""Cilium's programs at the devices that lead out of a node: masquerading, services from outside, and what passes by the host's stack.

After bpf/bpf_host.c (``cil_from_netdev``, ``cil_to_netdev``), bpf/lib/nat.h (``snat_v4_needs_masquerade``, ``snat_v4_new_mapping``), bpf/lib/nodeport.h (``nodeport_lb4``) and
bpf/lib/fib.h (``fib_redirect``). What sockets of the host's own network do when they connect (bpf/bpf_sock.c) is not walked.
"""

from __future__ import annotations

from analyzer.addresses import Address
from analyzer.facts.cilium import HOST, REMOTE_NODE
from analyzer.model.network import Interface
from analyzer.solve.packet import Packet
from analyzer.solve.walk import internet, leaving, resolution
from analyzer.solve.walk.cilium.doubts import at_host
from analyzer.solve.walk.cilium.maps import FIRST_PORT, LAST_PORT, CiliumMaps, first_of
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.netfilter.hooks import HookPacket
from analyzer.solve.walk.netfilter.tracking import bind, confirm, flow_of, manipulated, track, undecided
from analyzer.solve.walk.route_answers import NotKnown, Refused
from analyzer.solve.walk.route_lookup import route_of
from analyzer.solve.walk.state import Endings, Walk
from analyzer.source import Scope

INCOMING, MASQUERADED = "(cilium: come in to endpoints)", "(cilium: masqueraded)"
NODES = (HOST, REMOTE_NODE, 7)


def masqueraded(walk: Walk, space: Space, maps: CiliumMaps, at: Interface, packet: Packet) -> Packet | Endings:
    """A packet that leaves the node, with the source that the world is to see."""
    if maps.state.setup.masquerading(packet.family) != "bpf":
        return packet
    known = walk.connections_of(Scope(space.scope.node, MASQUERADED))
    answers = walk.connections_of(Scope(space.scope.node, INCOMING))
    if track(packet, None, answers).reply or not of_endpoint(maps, packet):
        return packet
    tracked = track(packet, None, known)
    connection = tracked.connection
    if connection is None:
        return packet
    if undecided(tracked, False):
        own = first_of(space.addresses.get(at.device, ()), packet.family)
        if own is None:
            return walk.undecided(
                f"the address that Cilium of {space.place} masquerades with is not known", None, f"the addresses of {at}"
            )
        port = packet.source_port
        if port < FIRST_PORT:
            port = FIRST_PORT + port % (LAST_PORT - FIRST_PORT)
        wanted = flow_of(packet)._replace(source=own.value, source_port=port)
        connection = bind(connection, False, wanted, known)
        tracked = tracked._replace(connection=connection)
        walk.tell(space.scope, "cilium", f"Cilium masquerades: the source becomes {own}", None, packet)
    confirm(tracked, known)
    return manipulated(packet, tracked, connection, False)


def of_endpoint(maps: CiliumMaps, packet: Packet) -> bool:
    """Whether a packet is one of an endpoint of the node to an address that is to see another source."""
    setup, target = maps.state.setup, Address(packet.family, packet.destination)
    sender, native = maps.endpoints.get(Address(packet.family, packet.source)), setup.kept(packet.family)
    if sender is None or sender.host or (native is not None and native.covers(target)):
        return False
    fact = maps.whose(target)
    return bool(setup.tunnel) or fact is None or fact.identity not in NODES


def unmasqueraded(walk: Walk, space: Space, packet: Packet) -> Packet:
    """An answer to a masqueraded connection, for the endpoint that asked."""
    known = walk.connections_of(Scope(space.scope.node, MASQUERADED))
    tracked = track(packet, None, known)
    if not tracked.reply or tracked.connection is None:
        return packet
    found = manipulated(packet, tracked, tracked.connection, True)
    walk.tell(space.scope, "cilium", f"an answer to what was masqueraded: {found}", None, found)
    return found


def past_stack(walk: Walk, space: Space, at: Interface, packet: Packet) -> Endings:
    """By the route, without the hooks of the stack (``fib_redirect_v4``)."""
    if packet.ttl <= 1:
        return walk.drop(space.scope, f"{space.place}: the TTL of {packet} is used up")
    found = route_of(walk, space, packet, at.device)
    if isinstance(found, NotKnown):
        return walk.undecided(found.reason, found.at, found.settle)
    if isinstance(found, Refused):
        return walk.drop(space.scope, f"{space.place}: Cilium drops the packet (FIB lookup failed): {found.reason}", found.at)
    route = internet.choose(walk, space, found, packet)
    if route.kind != "unicast" or route.ways[0].encap:
        return walk.undecided(f"the route {route.words} of {space.place} is none that Cilium's programs take", route.fact.at)
    internet.told(walk, space, route, packet)
    sized = leaving.fitted(walk, space, route.device, route, packet.with_ttl(packet.ttl - 1), False)
    if not isinstance(sized, Packet):
        return sized
    next_hop = route.ways[0].via or Address(packet.family, packet.destination)
    walk.tell(space.scope, "cilium", f"Cilium sends the packet past the stack by {route.device}", route.fact.at, sized)
    return resolution.send(walk, space, Interface(space.scope, route.device), next_hop, HookPacket(sized), route)


def onto_wire(walk: Walk, space: Space, at: Interface, load: HookPacket) -> HookPacket | Endings:
    """``cil_to_netdev``: a packet that the node sends by one of its own devices."""
    maps = space.cilium
    if maps is None or not maps.leads_out(at.device):
        return load
    if (doubt := at_host(walk, space, maps, Address(load.packet.family, load.packet.source))) is not None:
        return doubt
    packet = masqueraded(walk, space, maps, at, load.packet)
    return load.with_packet(packet) if isinstance(packet, Packet) else packet


def connecting(walk: Walk, space: Space, packet: Packet) -> Endings | None:
    """A process of the host's own network sends to a service: its socket was translated when it connected."""
    maps = space.cilium
    if maps is None or maps.state.setup.replacement is False:
        return None
    frontend = maps.frontend(packet, True)
    if frontend is None:
        return None
    return walk.undecided(
        f"how sockets of {space.place} are translated to {frontend} is not walked", frontend.at, "the backends of the service"
    )
