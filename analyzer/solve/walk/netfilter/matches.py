"""Whether a rule's matches hold for a packet, after the kernel's xt_*.c (each function names its file).

A test that depends on traffic, on a set that was not captured or on something not modelled is put to the oracle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from analyzer.facts.matches import (
    AddressMatch,
    AddressRangeMatch,
    AddressTypeMatch,
    BalancedMatch,
    ConntrackMatch,
    DeviceGroupMatch,
    ExtensionHeaderMatch,
    FragmentMatch,
    IcmpMatch,
    InterfaceMatch,
    IpsecMatch,
    LengthMatch,
    MacMatch,
    MarkMatch,
    PacketTypeMatch,
    PhysdevMatch,
    PortMatch,
    ProtocolMatch,
    ReversePathMatch,
    Side,
    TcpFlagsMatch,
    TimeToLiveMatch,
    TypeOfServiceMatch,
)
from analyzer.model.ipsec import transformed
from analyzer.model.service_types import SENT
from analyzer.solve.packet import ICMP, ICMPV6, SYN, TCP, UDP, Packet
from analyzer.solve.walk.netfilter.balanced import balanced
from analyzer.solve.walk.netfilter.conntrack import conntrack
from analyzer.solve.walk.netfilter.frame_macs import is_strangers
from analyzer.solve.walk.netfilter.state import FOREIGN_MAC, Hook
from analyzer.solve.walk.netfilter.tracking import WITH_PORTS
from analyzer.solve.walk.netfilter.visit import Visit

ROUTE_TYPES = frozenset({"LOCAL", "ANYCAST", "UNREACHABLE"})
HEADERS = {TCP: 20, UDP: 8, ICMP: 8, ICMPV6: 8}
LONGEST, LONGEST_TCP = 65535, 60
"""Bytes of a packet, and of TCP's header with all options."""


def address(match: AddressMatch, visit: Visit) -> bool:
    """ip_tables.c ``ip_packet_match``."""
    packet = visit.packet
    if match.family != packet.family:
        return False
    value = packet.source if match.side is Side.SOURCE else packet.destination
    return (value & match.mask == match.value) != match.negated


def protocol(match: ProtocolMatch, visit: Visit) -> bool:
    """ip_tables.c ``ip_packet_match``."""
    return (visit.packet.protocol == match.protocol) != match.negated


def interface(match: InterfaceMatch, visit: Visit) -> bool:
    """ip_tables.c ``ip_packet_match``: a hook without the device has an empty name."""
    name = visit.at.in_device if match.incoming else visit.at.out_device
    return (name.startswith(match.name) if match.wildcard else name == match.name) != match.negated


def device_group(match: DeviceGroupMatch, visit: Visit) -> bool:
    """xt_devgroup.c ``devgroup_mt``."""
    group = group_of(visit.at.in_device if match.incoming else visit.at.out_device, visit)
    if group is None:
        end = "came in" if match.incoming else "goes out"
        text = f"{visit.place}: the group of the device that {visit.packet} {end} by is {match.value:#x}/{match.mask:#x}"
        return visit.oracle.test(text, None, GROUPS) != match.negated
    return (group & match.mask == match.value) != match.negated


GROUPS = "capture ip -d link, and give groups numbers"


def group_of(device: str, visit: Visit) -> int | None:
    """The group of a device; None where it is not known."""
    link = visit.sets.namespace.links.get(device)
    return link.group if link is not None else None


def fragment(match: FragmentMatch, visit: Visit) -> bool:
    """Packets here are whole."""
    del visit
    return match.negated


def extension_header(match: ExtensionHeaderMatch, visit: Visit) -> bool:
    """ip6t_rt.c ``rt_mt6``, ip6t_frag.c, ip6t_hbh.c: packets here have none."""
    del match, visit
    return False


def ipsec(match: IpsecMatch, visit: Visit) -> bool:
    """xt_policy.c ``policy_mt``."""
    return through_ipsec(visit) == match.transformed


def through_ipsec(visit: Visit) -> bool:
    """Whether a policy of IPsec is for the packet."""
    words, some = transformed(visit.sets.namespace)
    if some:
        return visit.oracle.test(words, None, "ip xfrm policy is not followed")
    visit.assumptions.append(words)
    return False


def port(match: PortMatch, visit: Visit) -> bool:
    """xt_tcpudp.c, xt_multiport.c: a protocol without ports does not match, negated or not."""
    packet = visit.packet
    if packet.protocol not in WITH_PORTS:
        return False
    within = visit.oracle.within
    if match.side is None:
        found = within(packet.source_port, match.ports) or within(packet.destination_port, match.ports)
    else:
        found = within(packet.source_port if match.side is Side.SOURCE else packet.destination_port, match.ports)
    return found != match.negated


def tcp_flags(match: TcpFlagsMatch, visit: Visit) -> bool:
    """xt_tcpudp.c ``tcp_mt``."""
    packet = visit.packet
    return packet.protocol == TCP and (packet.tcp_flags & match.mask == match.value) != match.negated


def icmp(match: IcmpMatch, visit: Visit) -> bool:
    """ip_tables.c ``icmp_type_code_match``: type 255 is any."""
    packet = visit.packet
    if packet.protocol != (ICMP if packet.family == 4 else ICMPV6):
        return False
    any_type = match.type == 255 and packet.family == 4
    low, high = match.codes
    return (any_type or (packet.icmp_type == match.type and low <= packet.icmp_code <= high)) != match.negated


def mark(match: MarkMatch, visit: Visit) -> bool:
    """xt_mark.c, xt_connmark.c: without a connection connmark does not match, negated or not."""
    if not match.connection:
        return (visit.packet.mark & match.mask == match.value) != match.negated
    connection = visit.connection
    return connection is not None and (connection.mark & match.mask == match.value) != match.negated


def address_type(match: AddressTypeMatch, visit: Visit) -> bool:
    """xt_addrtype.c ``addrtype_mt_v1``: in IPv4 any of the types; IPv6 see ``address_type6``."""
    packet = visit.packet
    value = packet.source if match.side is Side.SOURCE else packet.destination
    device = {"in": visit.at.in_device, "out": visit.at.out_device}.get(match.limit) or None
    if packet.family == 6:
        return address_type6(match.types, value, device, visit) != match.negated
    return (visit.surroundings.address_type(value, device) in match.types) != match.negated


def address_type6(types: frozenset[str], value: int, device: str | None, visit: Visit) -> bool:
    """xt_addrtype.c ``match_type6``: MULTICAST, UNICAST and UNSPEC must all hold, a local address is UNICAST too; of the types that a
    route tells one must hold."""
    multicast = value >> 120 == 0xFF
    if ("MULTICAST" in types and not multicast) or ("UNICAST" in types and (multicast or value == 0)):
        return False
    if "UNSPEC" in types and value:
        return False
    return not types & ROUTE_TYPES or visit.surroundings.address_type(value, device) in types & ROUTE_TYPES


def address_range(match: AddressRangeMatch, visit: Visit) -> bool:
    """xt_iprange.c."""
    packet = visit.packet
    value = packet.source if match.side is Side.SOURCE else packet.destination
    return match.family == packet.family and (match.low <= value <= match.high) != match.negated


def physdev(match: PhysdevMatch, visit: Visit) -> bool:
    """xt_physdev.c ``physdev_mt``."""
    incoming, outgoing = visit.at.physical_in, visit.at.physical_out
    if not incoming and not outgoing:
        wanted = match.is_bridged is True or match.is_in is True or match.is_out is True
        named = (match.incoming is not None and not match.incoming_negated) or (
            match.outgoing is not None and not match.outgoing_negated
        )
        return not wanted and not named
    flags = ((match.is_bridged, outgoing), (match.is_in, incoming), (match.is_out, outgoing))
    if any(wanted is not None and bool(name) != wanted for wanted, name in flags):
        return False
    if match.incoming is not None and incoming and device(incoming, match.incoming) == match.incoming_negated:
        return False
    if match.outgoing is None:
        return True
    return bool(outgoing) and device(outgoing, match.outgoing) != match.outgoing_negated


def device(name: str, wanted: str) -> bool:
    """A name against a name that may end in ``+``."""
    return name.startswith(wanted[:-1]) if wanted.endswith("+") else name == wanted


def length(match: LengthMatch, visit: Visit) -> bool:
    """xt_length.c: the whole packet with its IP header, in both families."""
    low, high = lengths(visit.packet)
    if match.low <= low and high <= match.high:
        return not match.negated
    if high < match.low or match.high < low:
        return match.negated
    text = f"{visit.place}: the length of {visit.packet} is from {match.low} to {match.high} bytes"
    return visit.oracle.test(text, None, SIZE) != match.negated


SIZE = "ask with a size"


def lengths(packet: Packet) -> tuple[int, int]:
    """The length of the packet with its IP header: exact where a size was asked, else what its protocol allows. What opens a TCP connection has no data
    (but for TCP Fast Open, which programs must ask for)."""
    head = 20 if packet.family == 4 else 40
    if packet.size is not None:
        return packet.size + head, packet.size + head
    opens = packet.protocol == TCP and packet.tcp_flags & SYN
    return HEADERS.get(packet.protocol, 0) + head, LONGEST_TCP + head if opens else LONGEST


def time_to_live(match: TimeToLiveMatch, visit: Visit) -> bool:
    """xt_hl.c."""
    ttl = visit.packet.ttl
    operators = {"eq": ttl == match.value, "ne": ttl != match.value, "lt": ttl < match.value, "gt": ttl > match.value}
    return operators[match.operator]


def type_of_service(match: TypeOfServiceMatch, visit: Visit) -> bool:
    """xt_dscp.c, xt_ecn.c."""
    own = visit.packet.service
    visit.assumptions.append(SENT)
    if own is None:
        text = f"{visit.place}: the type of service of {visit.packet} is {match.value:#x}/{match.mask:#x}"
        return visit.oracle.test(text, None, "which type of service a packet has, where rules change it") != match.negated
    return (own & match.mask == match.value) != match.negated


def mac(match: MacMatch, visit: Visit) -> bool:
    """xt_mac.c: a packet without a received frame does not match, negated or not."""
    if visit.at.source_mac is None:
        if visit.at.local or visit.hook in (Hook.OUTPUT, Hook.POSTROUTING):
            return False
        return visit.oracle.test(f"{visit.place}: the frame's source MAC is the one that the rule names") != match.negated
    if visit.at.source_mac == FOREIGN_MAC:
        return is_strangers(match.mac, visit) != match.negated
    return (visit.at.source_mac == match.mac) != match.negated


def packet_type(match: PacketTypeMatch, visit: Visit) -> bool:
    """xt_pkttype.c."""
    wanted = "unicast" if match.type == "host" else match.type
    return (visit.at.packet_type == wanted) != match.negated


def reverse_path(match: ReversePathMatch, visit: Visit) -> bool:
    """ipt_rpfilter.c (rpfilter_mt): what the reverse path says, inverted by ``--invert``."""
    answer = visit.surroundings.reverse_path
    if answer is not None:
        return answer(match, visit.at.with_packet(visit.packet)) != match.inverted
    return visit.oracle.test(f"{visit.place}: the reverse path of the packet is as the rule asks") != match.inverted


Test = Callable[[Any, Visit], bool]
TESTS: Mapping[type, Test] = {
    AddressMatch: address,
    ProtocolMatch: protocol,
    InterfaceMatch: interface,
    DeviceGroupMatch: device_group,
    FragmentMatch: fragment,
    ExtensionHeaderMatch: extension_header,
    IpsecMatch: ipsec,
    PortMatch: port,
    TcpFlagsMatch: tcp_flags,
    IcmpMatch: icmp,
    ConntrackMatch: conntrack,
    MarkMatch: mark,
    AddressTypeMatch: address_type,
    BalancedMatch: balanced,
    AddressRangeMatch: address_range,
    PhysdevMatch: physdev,
    LengthMatch: length,
    TimeToLiveMatch: time_to_live,
    TypeOfServiceMatch: type_of_service,
    MacMatch: mac,
    PacketTypeMatch: packet_type,
    ReversePathMatch: reverse_path,
}
