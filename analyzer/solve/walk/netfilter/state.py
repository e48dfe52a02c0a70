"""What a netfilter hook sees and gives back: the packet with its surroundings, connections, and the hook's result."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from analyzer.addresses import Address
from analyzer.facts.ipvs import Forwarding
from analyzer.facts.matches import ReversePathMatch
from analyzer.solve.packet import ICMP, ICMPV6, Hop, Packet
from analyzer.solve.walk.oracle import Oracle
from analyzer.source import Span

ECHO = {ICMP: {8: 0, 0: 8, 13: 14, 14: 13, 15: 16, 16: 15, 17: 18, 18: 17}, ICMPV6: {128: 129, 129: 128, 139: 140, 140: 139}}


class Hook(StrEnum):
    """The five hooks of the IP layer."""

    __hash__ = str.__hash__

    PREROUTING = "PREROUTING"
    INPUT = "INPUT"
    FORWARD = "FORWARD"
    OUTPUT = "OUTPUT"
    POSTROUTING = "POSTROUTING"


class Flow(NamedTuple):
    """One direction of a connection (``struct nf_conntrack_tuple``): for ICMP ``source_port`` is the identifier and
    ``destination_port`` is ``type << 8 | code``."""

    protocol: int
    source: int
    destination: int
    source_port: int
    destination_port: int

    @property
    def inverse(self) -> Flow:
        """The tuple of the answers (``nf_ct_invert_tuple``)."""
        protocol, source, destination, source_port, destination_port = self
        kinds = ECHO.get(protocol)
        if kinds is None:
            return Flow(protocol, destination, source, destination_port, source_port)
        kind = kinds.get(destination_port >> 8, destination_port >> 8)
        return Flow(protocol, destination, source, source_port, kind << 8 | destination_port & 0xFF)

    def sent_from(self, source: int, port: int) -> Flow:
        """The same from another address and port."""
        return Flow(self.protocol, source, self.destination, port, self.destination_port)

    def sent_to(self, destination: int, port: int) -> Flow:
        """The same to another address and port."""
        return Flow(self.protocol, self.source, destination, self.source_port, port)


class ConntrackZone(NamedTuple):
    """A zone of conntrack (``struct nf_conntrack_zone``): a number, and the directions that it is for (``original``, ``reply``, empty: both)."""

    number: int = 0
    direction: str = ""

    def of(self, reply: bool) -> int:
        """The zone that packets of one direction are in (``nf_ct_zone_id``)."""
        return 0 if self.direction == ("original" if reply else "reply") else self.number


NO_ZONE = ConntrackZone()
NO_FLOW = Flow(0, 0, 0, 0, 0)
"""The tuples of a template, which carries a zone to conntrack and is no connection."""


class Entry(NamedTuple):
    """What the capture says of a connection that a node already tracks: TCP's state as far as it is the captured one (SYN_SENT …; REOPENED:
    a SYN has passed that conntrack could only ignore; empty: as of one that the walk opened), and whether a flow table passes its packets on before the
    hooks."""

    at: Span
    state: str = ""
    offloaded: bool = False


class Connection(NamedTuple):
    """A tracked connection (``struct nf_conn``). ``…_translated`` are IPS_SRC_NAT and IPS_DST_NAT; ``…_decided`` are
    IPS_SRC_NAT_DONE and IPS_DST_NAT_DONE: the nat chains are not asked again. ``entry``: it was there before the walk."""

    original: Flow
    reply: Flow
    mark: int = 0
    seen_reply: bool = False
    source_translated: bool = False
    destination_translated: bool = False
    source_decided: bool = False
    destination_decided: bool = False
    confirmed: bool = False
    zone: ConntrackZone = NO_ZONE
    entry: Entry | None = None
    assured: bool = False

    def answered(self) -> Connection:
        """The same once a packet of the other direction was seen."""
        return tuple.__new__(Connection, (*self[:3], True, *self[4:]))

    def decided(self, destination: bool) -> Connection:
        """The same with this side decided."""
        if destination:
            return tuple.__new__(Connection, (*self[:7], True, *self[8:]))
        return tuple.__new__(Connection, (*self[:6], True, *self[7:]))

    def translated(self, reply: Flow, destination: bool) -> Connection:
        """The same with one side translated, which decides it: ``reply`` is the tuple of its answers then."""
        original, _, mark, seen, source, target, source_decided, target_decided, confirmed, *rest = self
        if destination:
            return tuple.__new__(Connection, (original, reply, mark, seen, source, True, source_decided, True, confirmed, *rest))
        return tuple.__new__(Connection, (original, reply, mark, seen, True, target, True, target_decided, confirmed, *rest))

    def stored(self) -> Connection:
        """The same once its first packet has passed."""
        return tuple.__new__(Connection, (*self[:8], True, *self[9:]))


Place = tuple[int, Flow]
"""Where a direction of a connection is found: the number of its zone, and its tuple."""


class Balanced(NamedTuple):
    """A connection of IPVS (``struct ip_vs_conn``): the packet's tuple as its client sends it, and the real server that has it."""

    virtual: Flow
    server: Address
    port: int
    forwarding: Forwarding
    at: Span | None = None


@dataclass(frozen=True, slots=True)
class Captured:
    """The connections that a namespace tracked when it was captured, by zone and tuple, with whether it is the reply's. ``liberal``:
    nf_conntrack_tcp_be_liberal. ``doubt``: what is taken for granted where some were not understood."""

    entries: Mapping[Place, tuple[Connection, bool]]
    place: str
    liberal: bool = False
    doubt: str = ""


@dataclass(slots=True)
class Connections:
    """The connections of one network namespace, of one walk: confirmed ones only. ``balanced`` are those of IPVS, by the tuple of
    their packets (False) and by that of the real server's answers (True). ``members`` are the values that this walk's packets added to IP sets
    or took away; ``unsettled`` the sets of which such a change is not followed. ``strayed``: a packet was INVALID here; ``strict``: what opens no connection is (nf_conntrack_tcp_loose is 0). ``proxied`` are
    the tuples that TPROXY gave to local sockets. ``captured``: those that the namespace tracked before the walk, where they are
    followed; ``ended``: the tuples of which such a connection is gone, ``oracle``: who is asked what is not known of them,
    ``misfit``: the one in which the last packet was INVALID."""

    _by_original: dict[Place, Connection] = field(default_factory=dict)
    _original_of: dict[Place, Place] = field(default_factory=dict)
    captured: Captured | None = None
    oracle: Oracle | None = None
    ended: set[Place] = field(default_factory=set)
    misfit: Span | None = None
    balanced: dict[tuple[bool, Flow], Balanced] = field(default_factory=dict)
    members: dict[tuple[str, tuple[int | str, ...]], bool] = field(default_factory=dict)
    unsettled: set[str] = field(default_factory=set)
    proxied: set[Flow] = field(default_factory=set)
    strayed: bool = False
    strict: bool = False

    def find(self, flow: Flow, zone: ConntrackZone = NO_ZONE) -> tuple[Connection, bool] | None:
        """The connection with this tuple, and whether it is the reply's (nf_conntrack_core.c ``nf_ct_key_equal``, by the zone of either direction)."""
        if self._by_original:
            if (found := self._by_original.get((zone.of(False), flow))) is not None:
                return found, False
            if (original := self._original_of.get((zone.of(True), flow))) is not None:
                return self._by_original[original], True
        return None if self.captured is None else self.found_captured(self.captured, flow, zone)

    def found_captured(self, captured: Captured, flow: Flow, zone: ConntrackZone) -> tuple[Connection, bool] | None:
        """The captured connection with this tuple, and whether it is the reply's."""
        for reply in (False, True):
            place = zone.of(reply), flow
            found = captured.entries.get(place)
            if found is not None and found[1] is reply and place not in self.ended:
                return found
        return None

    def taken(self, flow: Flow, zone: ConntrackZone) -> tuple[Connection, bool] | None:
        """The connection that keeps another of the zone from having answers with this tuple: it is looked for in the zone of answers, and those of the
        other direction in both (``nf_conntrack_tuple_taken``)."""
        if zone.of(False) == zone.of(True):
            return self.find(flow, zone)
        place = zone.of(True), flow
        if (original := self._original_of.get(place)) is not None:
            return self._by_original[original], True
        found = self.captured.entries.get(place) if self.captured is not None and place not in self.ended else None
        return found if found is not None and found[1] else None

    def store(self, connection: Connection) -> None:
        """Stores a connection, or its new state."""
        there, back = keys(connection)
        self._by_original[there] = connection
        self._original_of[back] = there

    def left_behind(self) -> Hashable:
        """What rules have changed for later packets, beside connections."""
        return frozenset(self.members.items()), frozenset(self.unsettled), frozenset(self.proxied)

    def test(self, words: str, at: Span | None) -> bool:
        """Whether something is so of a captured connection of which that is not known."""
        assert self.oracle is not None
        return self.oracle.test(words, at, "conntrack -L right before the packet is sent")

    def end(self, connection: Connection) -> None:
        """Forgets a connection that was captured (``nf_ct_kill``)."""
        there, back = keys(connection)
        self._by_original.pop(there, None)
        self._original_of.pop(back, None)
        self.ended |= {there, back}


def keys(connection: Connection) -> tuple[Place, Place]:
    """ConntrackZone and tuple of either direction."""
    zone = connection.zone
    return (zone.of(False), connection.original), (zone.of(True), connection.reply)


class Tracked(NamedTuple):
    """What conntrack says of a packet: ``state`` of NEW ESTABLISHED RELATED INVALID UNTRACKED; the connection is None for the last two."""

    state: str
    connection: Connection | None = None
    reply: bool = False


class HookPacket(NamedTuple):
    """A packet at a hook.

    ``in_device`` and ``out_device`` are names, empty where the hook has none (PREROUTING and INPUT have no out device, OUTPUT and POSTROUTING no in
    device, except that POSTROUTING of forwarded packets has it: ip_output.c since Linux 5.7). ``physical_in``/``physical_out`` are bridge ports, for a packet
    that br_netfilter passes to the hook; ``physical_out`` only where the packet is bridged and not routed. ``packet_type`` is ``unicast``, ``broadcast`` or ``multicast``.
    ``local`` when a process of this namespace sent it. ``next_hop`` is the address it will be sent to next (POSTROUTING; None: the destination).
    ``tracked`` is None until conntrack has seen the packet; give what the previous hook of the same namespace gave back, and None after the packet
    entered a namespace. ``socket`` is where TPROXY sent it. ``quoted`` is, for an ICMP error, the packet that it quotes.
    ``balanced``: IPVS has handled it in this namespace (``skb->ipvs_property``). ``routed_as`` is how OUTPUT, or IPVS in FORWARD, last routed it again; None: neither did.

    TCP packets must carry their flags: without any, the kernel calls them INVALID.
    """

    packet: Packet
    in_device: str = ""
    out_device: str = ""
    physical_in: str = ""
    physical_out: str = ""
    source_mac: int | None = None
    packet_type: str = "unicast"
    local: bool = False
    next_hop: int | None = None
    tracked: Tracked | None = None
    socket: tuple[Address | None, int] | None = None
    quoted: Packet | None = None
    balanced: bool = False
    routed_as: Packet | None = None

    def with_packet(self, packet: Packet) -> HookPacket:
        """The same with another packet."""
        return self if packet is self.packet else tuple.__new__(HookPacket, (packet, *self[1:]))

    def after(self, packet: Packet, tracked: Tracked | None) -> HookPacket:
        """The same as a hook left it."""
        if tracked is self.tracked:
            return self.with_packet(packet)
        return tuple.__new__(HookPacket, (packet, *self[1:9], tracked, *self[10:]))

    def between(self, in_device: str, out_device: str) -> HookPacket:
        """The same with these devices."""
        return tuple.__new__(HookPacket, (self.packet, in_device, out_device, *self[3:]))

    def across(self, bridge: str, port: str, out_port: str) -> HookPacket:
        """The same on its way through a bridge, from port to port."""
        return tuple.__new__(HookPacket, (self.packet, bridge, bridge, port, out_port, *self[5:]))

    def bridged(self, bridge: str, port: str, source_mac: int, packet_type: str) -> HookPacket:
        """The same as a frame brings it in at a bridge, by a port."""
        return tuple.__new__(HookPacket, (self.packet, bridge, "", port, "", source_mac, packet_type, False, *self[8:]))

    def received(self, device: str) -> HookPacket:
        """The same as it comes in on a device."""
        return tuple.__new__(HookPacket, (self.packet, device, "", *self[3:7], False, *self[8:]))

    def framed(self, device: str, packet_type: str, source_mac: int | None) -> HookPacket:
        """The same as a frame brought it in on a device."""
        return tuple.__new__(HookPacket, (self.packet, device, "", *self[3:5], source_mac, packet_type, False, *self[8:]))

    def leaving(self, device: str, next_hop: int | None) -> HookPacket:
        """The same as it is sent to a next hop."""
        return tuple.__new__(HookPacket, (self.packet, self.in_device, device, *self[3:8], next_hop, *self[9:]))


FOREIGN_MAC = 0x020000000001
"""What stands for the MAC of a host outside the capture: any that no captured interface has."""


class Surroundings(NamedTuple):
    """What the hook asks of the namespace's addresses and routes. All addresses are integers of the packet's family.

    ``address_type(address, device)``: LOCAL, UNICAST, BROADCAST, MULTICAST, BLACKHOLE, UNREACHABLE, PROHIBIT … as ``inet_addr_type_dev_table`` says; with a device
    only its own addresses are LOCAL (``addrtype --limit-iface-…``); None for any device.
    ``source_for(device, next_hop)``: the address that the kernel would send from (``inet_select_addr``, MASQUERADE); None: there is none, the packet is dropped.
    ``first_address(device)``: the device's primary address (REDIRECT); None: the packet is dropped.
    ``reverse_path(match, packet)``: the ``rpfilter`` match; None: not known.
    ``captured_mac(mac)``: whether an interface of the capture has the MAC.
    ``service_types_change()``: whether anything in the capture changes types of service; None: not known.
    """

    address_type: Callable[[int, str | None], str]
    source_for: Callable[[str, int], int | None]
    first_address: Callable[[str], int | None]
    reverse_path: Callable[[ReversePathMatch, HookPacket], bool] | None = None
    captured_mac: Callable[[int], bool] | None = None


class Judgement(StrEnum):
    """What a hook decides: the packet goes on, is dropped, is refused with an answer, or what becomes of it is not known. BALANCING: IPVS
    is to look at it, then the hook goes on from where it stopped."""

    ACCEPTED = "accepted"
    DROPPED = "dropped"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    BALANCING = "balancing"


class HookResult(NamedTuple):
    """The end of a hook. ``packet`` is what goes on (addresses, mark, connection changed). ``reason`` such as ``dropped by filter FORWARD rule 3
    (KUBE-FIREWALL rule 1)``; ``answer`` is REJECT's ``--reject-with``. After OUTPUT the caller routes again where the destination or the mark changed.
    ``resume`` is the step with which a hook goes on after IPVS; ``answers``: it looks for the answers of real servers there (``ip_vs_out_hook``)."""

    judgement: Judgement
    packet: HookPacket
    reason: str = ""
    at: Span | None = None
    answer: str = ""
    hops: tuple[Hop, ...] = ()
    assumptions: tuple[str, ...] = ()
    settle: str = ""
    resume: int = 0
    answers: bool = False

    @property
    def accepted(self) -> bool:
        """Whether the packet goes on."""
        return self.judgement is Judgement.ACCEPTED
