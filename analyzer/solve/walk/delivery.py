"""Local delivery: who takes a packet that passed INPUT, what a receiver is called, and the reply.

After net/ipv4/{icmp,udp,tcp_ipv4}.c: without a socket UDP is answered by "port unreachable", TCP by RST.
"""

from __future__ import annotations

from analyzer.addresses import WIDTH, Address
from analyzer.facts.routes import LOCAL
from analyzer.facts.system import ListenerFact
from analyzer.model.network import Attachment, Network
from analyzer.ranges import single
from analyzer.solve.packet import ACK, ICMP, ICMPV6, PICKED, PROTOCOL_NAMES, SCTP, SYN, TCP, UDP, Hop, Packet, port_text
from analyzer.solve.walk import unserved, vrf
from analyzer.solve.walk.index import Space, WalkIndex, index_of
from analyzer.solve.walk.state import Delivered, Dropped, Undecided, Walk
from analyzer.source import Scope, Span

ANSWERS = {(ICMP, 8): 0, (ICMPV6, 128): 129}


def hop(place: str, stage: str, what: str, at: Span | None, reply: bool) -> Hop:
    """A hop without a packet."""
    return Hop(place, stage, what, at, None, reply)


def taken(walk: Walk, end: Delivered) -> Dropped | Undecided | None:
    """Why nobody takes the packet; None: somebody does."""
    packet, space = end.at.packet, walk.space(end.scope)
    if packet.family == 4 and (refused := not_to_all(walk, space, packet)) is not None:
        return refused
    if (packet.protocol, packet.icmp_type) in ANSWERS:
        key = "net.ipv4.icmp_echo_ignore_all" if packet.family == 4 else "net.ipv6.icmp.echo_ignore_all"
        if space.switch(key):
            return Dropped(f"{space.place} does not answer pings ({key})", space.where(key), hops=tuple(walk.hops))
        return None
    if packet.protocol not in (TCP, UDP, SCTP):
        return None
    if packet.protocol != UDP and end.at.packet_type != "unicast":
        words = f"{space.place} takes no connection from a {end.at.packet_type} frame"  # tcp_v4_rcv, sctp_rcv
        return Dropped(words, hops=tuple(walk.hops))
    return unserved.at_node_port(walk, space, packet) or unheard(walk, space, end, packet)


def not_to_all(walk: Walk, space: Space, packet: Packet) -> Dropped | None:
    """What is sent to a broadcast address opens no connection (tcp_ipv4.c ``tcp_v4_conn_request``) and is no ping that is answered (icmp.c
    ``icmp_echo``); what answers it by UDP does so from an address of its own, which who asked does not take for the answer."""
    if not is_broadcast(space, packet.destination):
        return None
    address, at = Address(4, packet.destination), None
    words = "what answers it does so from an address of its own"
    if packet.protocol == TCP:
        words = "TCP takes no connection to it"
    elif packet.protocol == ICMP:
        key = "net.ipv4.icmp_echo_ignore_broadcasts"
        words, at = f"pings to it are not answered ({key})", space.where(key)
        if space.switch(key) == 0:
            words = "who answers pings to it does so from an address of its own"
    return Dropped(f"{address} is a broadcast address of {space.place}: {words}", at, hops=tuple(walk.hops))


def is_broadcast(space: Space, value: int) -> bool:
    """Whether the local table has the address as one of broadcast."""
    if value == 0xFFFFFFFF:
        return True
    found = (fact for length, by_bits in space.table(4, LOCAL) for fact in by_bits.get(value >> (32 - length), ()))
    fact = next(found, None)
    return fact is not None and fact.kind == "broadcast"


def unheard(walk: Walk, space: Space, end: Delivered, packet: Packet) -> Dropped | None:
    """Whether no socket listens."""
    port = packet.destination_port
    address: Address | None = Address(packet.family, packet.destination)
    if end.at.socket is not None:
        address, port = end.at.socket
    name, text = PROTOCOL_NAMES[packet.protocol], port_text(port)
    listeners, bindings = space.namespace.listeners, vrf.bindings(space, bound_device(space, end), packet.protocol)
    if (listeners is None or unlisted(space, packet.protocol)) and (refused := vrf.unbound(walk, space, end)) is not None:
        return refused
    if listeners is None:
        walk.assume(f"something listens on {name} port {text} of {space.place}, whose sockets were not captured")
        return None

    def heard(number: int) -> bool:
        return any(hears(fact, packet, address, number, bindings) for fact in listeners)

    if (doubt := unlisted(space, packet.protocol)) and not heard(port):
        walk.assume(f"something listens on {name} port {text} of {space.place}, {doubt}")
        return None
    if heard(walk.oracle.number(port, (place for fact in listeners for place in (fact.port, fact.port + 1)), heard)):
        return None
    if walk.served:
        walk.assume(f"something listens on {name} port {text} of {space.place}, where nothing did when its sockets were captured")
        return None
    if end.at.packet.family == 4 and packet.destination >> 24 == 127 and end.device != "lo" and not listeners:
        return Dropped(f"nothing listens on {name} port {text} of {space.place}", hops=tuple(walk.hops))
    what = "it is answered by a reset" if packet.protocol == TCP else "it is answered by port unreachable"
    if packet.family == 4 and not held(space, packet.destination):
        what = f"and {Address(4, packet.destination)}, which none of its interfaces has, cannot say so"
    place = listeners[0].at if listeners else None
    return Dropped(f"nothing listens on {name} port {text} of {space.place}: {what}", place, hops=tuple(walk.hops))


def held(space: Space, value: int) -> bool:
    """Whether an address is of an interface, or of the local table (``__ip_dev_find``), or no single host's."""
    if Address(4, value) in space.own or value >> 24 == 127 or value >> 28 == 14 or value == 0xFFFFFFFF:
        return True
    table = space.table(4, LOCAL)
    return any(fact.kind != "unicast" for length, by_bits in table for fact in by_bits.get(value >> (32 - length), ()))


def bound_device(space: Space, end: Delivered) -> str:
    """The device by which a socket that is bound to one knows the packet: of what the host sends to itself not the loopback device, but that of the local
    route (``rt_iif`` of net/ipv4/route.c ip_route_output_key_hash_rcu, ``IP6CB(skb)->iif`` of net/ipv6/ip6_input.c ip6_rcv_core)."""
    if end.device != "lo":
        return end.device
    packet = end.at.packet
    for length, by_bits in space.table(packet.family, LOCAL):
        for fact in by_bits.get(packet.destination >> (WIDTH[packet.family] - length), ()):
            if fact.kind == "local" and fact.next_hops and fact.next_hops[0].device:
                return fact.next_hops[0].device
    return end.device


def unlisted(space: Space, protocol: int) -> str:
    """Why a socket may listen that is not in the list; empty: all are there."""
    if protocol not in space.namespace.listed:
        return f"whose {PROTOCOL_NAMES[protocol]} sockets were not captured"
    gaps = space.namespace.gaps.get("ss")
    return f"of whose sockets {gaps[0].at} was not understood" if gaps else ""


def hears(fact: ListenerFact, packet: Packet, address: Address | None, port: int, bindings: tuple[str, ...]) -> bool:
    """Whether a socket takes the packet; ``bindings`` are the devices that it may be bound to, or none."""
    if fact.protocol != packet.protocol or fact.port != port or (fact.device or "") not in bindings:
        return False
    if fact.address is None or address is None:
        return True
    return fact.address.family == packet.family and fact.address.value in (0, address.value)


def name(network: Network, scope: Scope, packet: Packet) -> str:
    """What the receiver is called: the pod of the namespace, or the node."""
    return receiver(index_of(network), scope, packet)


def receiver(index: WalkIndex, scope: Scope, packet: Packet) -> str:
    """What the receiver is called, by a network's index."""
    if not scope.namespace:
        return f"node:{scope.node}"
    found = attached(index, scope, packet)
    return found.name if found else str(scope)


def attached(index: WalkIndex, scope: Scope, packet: Packet) -> Attachment | None:
    """The pod of a namespace: the one with the address, where several share it."""
    here = index.attached.get(scope, ())
    own = Address(packet.family, packet.destination)
    return next((one for one in here if own in one.addresses), here[0] if here else None)


def reply_to(packet: Packet) -> Packet:
    """What the receiver of a packet sends back."""
    family, source, destination, protocol, source_port, destination_port, kind, code, flags, _, size, _, fragments, service = (
        packet
    )
    if protocol == TCP:
        flags = SYN | ACK
    answer = ANSWERS.get((protocol, kind))
    if answer is None:
        return Packet(
            family, destination, source, protocol, destination_port, source_port, kind, code, flags, fragments=fragments
        )
    echoed = size is not None
    return Packet(
        family,
        destination,
        source,
        protocol,
        source_port,
        destination_port,
        answer,
        code,
        flags,
        size=size,
        fragments=echoed,
        service=service,
    )


def mismatch(walk: Walk, packet: Packet, wanted: Packet) -> str:
    """Why who asked does not know the reply for one; empty: it does."""
    if packet.source != wanted.source:
        came, asked = Address(packet.family, packet.source), Address(packet.family, wanted.source)
        return f"comes from {came}, and {asked} was asked"
    if packet.destination != wanted.destination:
        return f"goes to {Address(packet.family, packet.destination)}"
    ports = (packet.source_port, wanted.source_port), (packet.destination_port, wanted.destination_port)
    if not all(port == own or (port >= PICKED and walk.oracle.within(port, single(own))) for port, own in ports):
        return f"has the ports {port_text(packet.source_port)} and {port_text(packet.destination_port)}"
    return ""
