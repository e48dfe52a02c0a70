"""Connection tracking and address translation of one packet.

After nf_conntrack_core.c (``resolve_normal_ct``), nf_conntrack_proto_{tcp,icmp,icmpv6}.c and nf_nat_core.c (``nf_nat_inet_fn``, ``get_unique_tuple``,
``nf_nat_packet``).
"""

from __future__ import annotations

from analyzer.solve.packet import ACK, FIN, ICMP, ICMPV6, RST, SCTP, SYN, TCP, UDP, Packet
from analyzer.solve.walk.netfilter.captured import ENDED, STRAY, met
from analyzer.solve.walk.netfilter.state import NO_ZONE, Connection, Connections, ConntrackZone, Flow, Tracked

UDPLITE, DCCP = 136, 33
WITH_PORTS = frozenset({TCP, UDP, SCTP, UDPLITE, DCCP})
ICMP_REQUESTS = frozenset({8, 13, 15, 17})
ICMPV6_REQUESTS = frozenset({128, 139})
ICMPV6_UNTRACKED = frozenset({130, 131, 132, 133, 134, 135, 136, 137, 143})
ICMP_ERRORS = {ICMP: frozenset({3, 4, 5, 11, 12}), ICMPV6: frozenset({1, 2, 3, 4})}


def flow_of(packet: Packet) -> Flow:
    """The packet's tuple."""
    if packet.protocol in WITH_PORTS:
        return Flow(packet.protocol, packet.source, packet.destination, packet.source_port, packet.destination_port)
    if packet.protocol in (ICMP, ICMPV6):
        kind = packet.icmp_type << 8 | packet.icmp_code
        return Flow(packet.protocol, packet.source, packet.destination, packet.source_port, kind)
    return Flow(packet.protocol, packet.source, packet.destination, 0, 0)


def opens(packet: Packet, strict: bool) -> bool:
    """Whether a packet of no known connection may open one (``tcp_new``, ``icmp_new``). ``strict``: nf_conntrack_tcp_loose is 0."""
    if packet.protocol == TCP:
        kind = packet.tcp_flags & (SYN | ACK | RST | FIN)
        return kind == SYN or (not strict and kind in (ACK, ACK | FIN))
    if packet.protocol == ICMP:
        return packet.icmp_type in ICMP_REQUESTS
    if packet.protocol == ICMPV6:
        return packet.icmp_type in ICMPV6_REQUESTS
    return True


def continues(packet: Packet) -> bool:
    """Whether a packet is none of a connection of whose SYN no answer was seen (``tcp_conntracks``, from TCP_CONNTRACK_SYN_SENT)."""
    return packet.protocol == TCP and packet.tcp_flags & (SYN | RST | ACK) == ACK


def assures(packet: Packet, connection: Connection) -> bool:
    """Whether a packet shows that its connection is no mere attempt: TCP's after the handshake, UDP's after an answer once two seconds have
    passed (``nf_conntrack_tcp_packet``, ``nf_conntrack_udp_packet``)."""
    if not connection.seen_reply:
        return False
    return (
        packet.tcp_flags & (SYN | ACK | RST) == ACK
        if packet.protocol == TCP
        else packet.protocol == UDP and connection.entry is not None
    )


def track(packet: Packet, quoted: Packet | None, connections: Connections, zone: ConntrackZone = NO_ZONE) -> Tracked:
    """The state of a packet that conntrack has not seen, and its connection (a new one is not stored before it is confirmed)."""
    if packet.protocol == ICMPV6 and packet.icmp_type in ICMPV6_UNTRACKED:
        return Tracked("UNTRACKED")
    if packet.protocol in ICMP_ERRORS and packet.icmp_type in ICMP_ERRORS[packet.protocol]:
        return related(quoted, connections, zone)
    flow = flow_of(packet)
    found = connections.find(flow, zone)
    if found is not None and found[0].entry is not None:
        followed = met(packet, *found, connections)
        if followed == STRAY:
            connections.strayed, connections.misfit = True, found[0].entry.at
            return Tracked("INVALID")
        found = now(found, followed, connections)
    if found is None:
        new = opens(packet, connections.strict)
        connections.strayed |= not new
        return Tracked("NEW", Connection(flow, flow.inverse, zone=zone)) if new else Tracked("INVALID")
    connection, reply = found
    if not reply and not connection.seen_reply and continues(packet):
        return Tracked("INVALID")
    if not connection.assured and assures(packet, connection):
        connection = connection._replace(assured=True)
        connections.store(connection)
    if reply and not connection.seen_reply:
        connection = connection.answered()
        connections.store(connection)
    return Tracked("ESTABLISHED" if connection.seen_reply else "NEW", connection, reply)


def now(found: tuple[Connection, bool], state: str, connections: Connections) -> tuple[Connection, bool] | None:
    """A captured connection with the state that a packet left it in; None where the packet ended it."""
    connection, reply = found
    if state == ENDED:
        connections.end(connection)
        return None
    if connection.entry is not None and connection.entry.state != state:
        connection = connection._replace(entry=connection.entry._replace(state=state))
        connections.store(connection)
    return connection, reply


def related(quoted: Packet | None, connections: Connections, zone: ConntrackZone) -> Tracked:
    """An ICMP error belongs to the connection of the packet that it quotes, in the other direction (``nf_conntrack_inet_error``)."""
    found = connections.find(flow_of(quoted).inverse, zone) if quoted else None
    return Tracked("RELATED", found[0], found[1]) if found else Tracked("INVALID")


def confirm(tracked: Tracked | None, connections: Connections) -> Tracked | None:
    """Stores the packet's new connection (``nf_conntrack_confirm``)."""
    if tracked is None or tracked.connection is None or tracked.connection.confirmed:
        return tracked
    connection = tracked.connection.stored()
    connections.store(connection)
    return Tracked(tracked.state, connection, tracked.reply)


def clash(tracked: Tracked | None, connections: Connections) -> Connection | None:
    """The connection that keeps a new one from being stored (``nf_ct_resolve_clash``): a captured one, or one whose zone is for one direction. Of all
    others address translation finds a free tuple before."""
    if tracked is None or tracked.connection is None or tracked.connection.confirmed:
        return None
    own = tracked.connection
    found = connections.taken(own.reply, own.zone)
    return found[0] if found is not None and (found[0].entry is not None or found[0].zone != own.zone) else None


def mirrored(connection: Connection, connections: Connections) -> bool:
    """Whether the answers of a connection have the tuple that another one's own packets have, which the zone of one direction hides from its packets."""
    found = connections.taken(connection.reply, connection.zone)
    return found is not None and not found[1] and found[0].zone != connection.zone


def undecided(tracked: Tracked | None, destination: bool) -> bool:
    """Whether the nat chains are asked: for the first packet of a connection, once for each side."""
    if tracked is None or tracked.connection is None or tracked.state not in ("NEW", "RELATED"):
        return False
    connection = tracked.connection
    return not (connection.destination_decided if destination else connection.source_decided)


def bind(connection: Connection, destination: bool, wanted: Flow, connections: Connections) -> Connection:
    """Decides one side of a connection: its packets will have the tuple ``wanted`` (``nf_nat_setup_info``)."""
    current = connection.reply.inverse
    if not destination:
        wanted = unique(connection, wanted, connections)
    if wanted == current:
        return connection.decided(destination)
    if destination:
        return connection.translated(wanted.inverse, True)
    return connection.translated(wanted.inverse, False)


def bound(connection: Connection, destination: bool, connections: Connections) -> Connection:
    """A connection of which no chain decided this side: it keeps what it has (``nf_nat_alloc_null_binding``)."""
    found = None if destination else connections.taken(connection.reply, connection.zone)
    if found is not None and found[0].original != connection.original:
        return bind(connection, destination, connection.reply.inverse, connections)
    return connection.decided(destination)


def unique(connection: Connection, wanted: Flow, connections: Connections) -> Flow:
    """The tuple with the first source port that no other connection uses (``nf_nat_l4proto_unique_tuple``; the kernel starts at a random one)."""
    if wanted.protocol not in WITH_PORTS and wanted.protocol not in (ICMP, ICMPV6):
        return wanted
    low, high = (1, 511) if wanted.source_port < 512 else (600, 1023) if wanted.source_port < 1024 else (1024, 65535)
    if wanted.protocol in (ICMP, ICMPV6):
        low, high = 0, 65535
    port = low
    candidate = wanted
    while used(connection, candidate, connections) and port <= high:
        candidate = wanted._replace(source_port=port)
        port += 1
    return candidate


def used(connection: Connection, flow: Flow, connections: Connections) -> bool:
    """Whether another connection has this tuple's answers (``nf_nat_used_tuple``)."""
    found = connections.taken(flow.inverse, connection.zone)
    return found is not None and found[0].original != connection.original


def manipulated(packet: Packet, tracked: Tracked, connection: Connection, destination: bool) -> Packet:
    """The packet with this hook's side translated as its connection says (``nf_nat_packet``); either side has the identifier of ICMP
    (nf_nat_proto.c ``icmp_manip_pkt``)."""
    on = connection.destination_translated if destination != tracked.reply else connection.source_translated
    if not on:
        return packet
    if packet.icmp_type in ICMP_ERRORS.get(packet.protocol, ()):
        return moved_error(packet, connection, tracked.reply, destination)
    target = (connection.original if tracked.reply else connection.reply).inverse
    if destination and packet.protocol in WITH_PORTS:
        return packet.to_destination(target.destination, target.destination_port)
    if destination:
        return packet._replace(destination=target.destination, source_port=target.source_port)
    return packet.from_source(target.source, target.source_port)


def moved_error(packet: Packet, connection: Connection, reply: bool, destination: bool) -> Packet:
    """An ICMP error's outer header (``nf_nat_icmp_reply_translation``)."""
    target = (connection.original if reply else connection.reply).inverse
    return packet._replace(destination=target.destination) if destination else packet._replace(source=target.source)
