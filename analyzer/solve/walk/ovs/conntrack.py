"""``ct`` of Open vSwitch: conntrack by zone, address translation, marks and labels.

After net/openvswitch/conntrack.c (``__ovs_ct_lookup``, ``ovs_ct_update_key``, ``ovs_ct_commit``) and net/netfilter/nf_nat_ovs.c (``nf_ct_nat``). A zone is
that of the node's own conntrack: zone 0 is also that of its hooks.
"""

from __future__ import annotations

from analyzer.addresses import Address
from analyzer.facts.openflow import CT_STATES, Conntrack, Nat, Subfield
from analyzer.solve.packet import ICMP, ICMPV6, Packet
from analyzer.solve.walk.netfilter.state import Connection, Connections, ConntrackZone, Flow, Tracked
from analyzer.solve.walk.netfilter.tracking import bind, bound, manipulated, track, undecided
from analyzer.solve.walk.ovs.values import Values, read
from analyzer.solve.walk.state import Walk
from analyzer.source import Scope, Span

TRACKED = CT_STATES["trk"]
BITS = {
    "NEW": CT_STATES["new"],
    "ESTABLISHED": CT_STATES["est"],
    "RELATED": CT_STATES["rel"],
    "INVALID": CT_STATES["inv"],
    "UNTRACKED": CT_STATES["inv"],
}
OF_CONNECTION = (
    *("ct_state", "ct_zone", "ct_mark", "ct_label", "ct_nw_src", "ct_nw_dst", "ct_ipv6_src", "ct_ipv6_dst"),
    *("ct_nw_proto", "ct_tp_src", "ct_tp_dst"),
)
LABEL = 32


def zone_of(action: Conntrack, values: Values) -> int:
    """The number of the zone."""
    return read(values, action.zone) & 0xFFFF if isinstance(action.zone, Subfield) else action.zone


def passed(
    walk: Walk, scope: Scope, action: Conntrack, values: Values, packet: Packet, at: Span | None, before: Tracked | None
) -> tuple[Packet, Values, Tracked]:
    """The packet after ``ct``, what is known of its connection then, and the connection. ``before``: what the last look-up found, if it was in this
    zone; the packet is not looked up again then (``skb_nfct_cached``)."""
    zone = zone_of(action, values)
    connections = walk.connections_of(scope)
    tracked = before if before is not None else track(packet, None, connections, ConntrackZone(zone))
    if action.commit and action.force and tracked.reply and tracked.connection is not None:
        tracked = anew(packet, tracked.connection.zone)
    flags = 0
    if action.nat is not None and tracked.connection is not None:
        packet, tracked, flags = translated(walk, action, packet, tracked, connections, at)
    known = {"ct_state": TRACKED | BITS[tracked.state] | flags, "ct_zone": zone}
    if tracked.connection is not None:
        known |= of_connection(tracked)
    return packet, known, tracked


def anew(packet: Packet, zone: ConntrackZone) -> Tracked:
    """A connection that begins with this packet (``force``)."""
    flow = Flow(packet.protocol, packet.source, packet.destination, packet.source_port, packet.destination_port)
    return Tracked("NEW", Connection(flow, flow.inverse, zone=zone))


def of_connection(tracked: Tracked) -> Values:
    """The fields that a connection gives."""
    connection = tracked.connection
    assert connection is not None
    original = connection.original
    known = {
        "ct_mark": connection.mark & 0xFFFFFFFF,
        "ct_label": connection.mark >> LABEL,
        "ct_nw_src": original.source,
        "ct_nw_dst": original.destination,
        "ct_ipv6_src": original.source,
        "ct_ipv6_dst": original.destination,
        "ct_nw_proto": original.protocol,
        "ct_tp_src": original.source_port,
        "ct_tp_dst": original.destination_port,
    }
    if original.protocol in (ICMP, ICMPV6):
        known |= {"ct_tp_src": original.destination_port >> 8, "ct_tp_dst": original.destination_port & 0xFF}
    if tracked.reply:
        known["ct_state"] = TRACKED | BITS[tracked.state] | CT_STATES["rpl"]
    return known


def translated(
    walk: Walk, action: Conntrack, packet: Packet, tracked: Tracked, connections: Connections, at: Span | None
) -> tuple[Packet, Tracked, int]:
    """``nf_ct_nat``: what a connection has is done; a new one that is committed gets its translation, and where that is of the destination, a source
    port that no other connection's answers go to (``nf_nat_alloc_null_binding``)."""
    nat, connection = action.nat, tracked.connection
    assert nat is not None
    assert connection is not None
    if action.commit and nat.source is not None and undecided(tracked, not nat.source) and not connection.confirmed:
        connection = bind(connection, not nat.source, wanted(walk, nat, connection, at), connections)
        connection = bound(connection, False, connections) if connection.destination_translated else connection
        tracked = tracked._replace(connection=connection)
    after = manipulated(manipulated(packet, tracked, connection, True), tracked, connection, False)
    flags = CT_STATES["dnat"] if after.destination != packet.destination else 0
    flags |= CT_STATES["snat"] if after.source != packet.source else 0
    if (after.destination_port, after.source_port) != (packet.destination_port, packet.source_port):
        flags |= CT_STATES["dnat"] if after.destination_port != packet.destination_port else CT_STATES["snat"]
    return after, tracked, flags


def wanted(walk: Walk, nat: Nat, connection: Connection, at: Span | None) -> Flow:
    """The tuple that the packets of a new connection are to have."""
    current = connection.reply.inverse
    address = chosen(walk, nat, current.source if nat.source else current.destination, at)
    port = current.source_port if nat.source else current.destination_port
    if nat.ports is not None and current.protocol not in (ICMP, ICMPV6):
        low, high = nat.ports
        port = port if low <= port <= high else low
    if nat.source:
        return current._replace(source=address, source_port=port)
    return current._replace(destination=address, destination_port=port)


def chosen(walk: Walk, nat: Nat, own: int, at: Span | None) -> int:
    """An address of the range: the switch chooses by a hash."""
    if nat.addresses is None:
        return own
    low, high = nat.addresses
    count = min(high - low + 1, 256)
    if count == 1:
        return low
    name = f"{Address(nat.family, low)}-{Address(nat.family, high)}"
    return low + walk.oracle.choose(count, f"the address of {name} that a new connection gets", at)


def committed(walk: Walk, scope: Scope, connection: Connection, values: Values) -> Connection:
    """Stores a connection with its mark and label (``ovs_ct_commit``)."""
    mark = values.get("ct_mark", 0) & 0xFFFFFFFF | values.get("ct_label", 0) << LABEL
    stored = connection._replace(mark=mark).stored()
    walk.connections_of(scope).store(stored)
    return stored


def without(values: Values) -> Values:
    """The fields of a packet that was not looked up."""
    return {name: value for name, value in values.items() if name not in OF_CONNECTION}
