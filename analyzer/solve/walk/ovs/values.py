"""A frame as the fields of OpenFlow, and back (lib/flow.c, ``flow_extract``)."""

from __future__ import annotations

from collections.abc import Mapping

from analyzer.addresses import Address
from analyzer.facts.openflow import Load, Move, Subfield
from analyzer.solve.packet import ICMP, ICMPV6, SCTP, TCP, UDP, Packet
from analyzer.solve.walk.netfilter.hooks import HookPacket
from analyzer.solve.walk.state import Frame, Question

Values = dict[str, int]
SOLICITED = 0x3333FF000000
PORTED = (TCP, UDP, SCTP)
TAGGED = 0x1000
SOLICITATION, ADVERTISEMENT, CONTROLLER = 135, 136, 0xFFFD
SPLIT = {"xxreg": 4, "xreg": 2}
# What a packet loses when it goes from one switch to another (ofproto-dpif-xlate.c, patch_port_output).
OF_SWITCH = ("reg", "tun_", "ct_", "metadata", "conj_id")


def values_of(frame: Frame, in_port: int) -> Values:
    """The fields of a frame that comes in by a port. Fields that it does not have are absent, and count as 0."""
    found: Values = {"in_port": in_port, "eth_src": frame.source, "eth_dst": group_of(frame)}
    if frame.vlan:
        found["vlan_tci"] = TAGGED | frame.vlan
    load = frame.load
    if isinstance(load, HookPacket):
        return {**found, **of_packet(load.packet)}
    if load.target.family == 6:
        return {**found, **of_solicitation(frame, load)}
    sender = load.sender.value if load.sender is not None else 0
    ends = (load.target.value, sender) if load.answer else (sender, load.target.value)
    hardware = (load.mac, frame.destination) if load.answer else (frame.source, 0)
    found |= {"eth_type": 0x806, "arp_op": 2 if load.answer else 1, "arp_spa": ends[0], "arp_tpa": ends[1]}
    return {**found, "arp_sha": hardware[0], "arp_tha": hardware[1]}


def group_of(frame: Frame) -> int:
    """The MAC that a frame is for; of a neighbour solicitation to all that of the group of its address (RFC 2464, 7)."""
    load = frame.load
    if isinstance(load, Question) and load.target.family == 6 and not load.answer and frame.to_all:
        return SOLICITED | load.target.value & 0xFFFFFF
    return frame.destination


def of_packet(packet: Packet) -> Values:
    """The fields of an IP packet."""
    four = packet.family == 4
    found = {
        "eth_type": 0x800 if four else 0x86DD,
        "nw_src" if four else "ipv6_src": packet.source,
        "nw_dst" if four else "ipv6_dst": packet.destination,
        "ip_proto": packet.protocol,
        "nw_ttl": packet.ttl,
        "nw_tos": packet.service or 0,
        "pkt_mark": packet.mark,
    }
    if packet.protocol in PORTED:
        found |= {"tp_src": packet.source_port, "tp_dst": packet.destination_port}
    if packet.protocol == TCP:
        found["tcp_flags"] = packet.tcp_flags
    if packet.protocol in (ICMP, ICMPV6):
        found |= {"icmp_type": packet.icmp_type, "icmp_code": packet.icmp_code}
    return found


def of_solicitation(frame: Frame, asked: Question) -> Values:
    """The fields of a neighbour solicitation or advertisement."""
    found = of_packet(asked.packet.packet) if asked.packet is not None else {"eth_type": 0x86DD, "ip_proto": ICMPV6}
    found |= {"nd_target": asked.target.value, "nw_ttl": 255, "icmp_type": 136 if asked.answer else 135}
    return {**found, **({"nd_tll": asked.mac} if asked.answer else {"nd_sll": frame.source})}


def packet_of(values: Mapping[str, int], before: Packet) -> Packet:
    """The IP packet with the fields as they are now; what OpenFlow does not have stays."""
    four = before.family == 4
    ported = before.protocol in PORTED
    return before._replace(
        source=values.get("nw_src" if four else "ipv6_src", 0),
        destination=values.get("nw_dst" if four else "ipv6_dst", 0),
        source_port=values.get("tp_src", 0) if ported else before.source_port,
        destination_port=values.get("tp_dst", 0) if ported else before.destination_port,
        ttl=values.get("nw_ttl", before.ttl),
        service=values.get("nw_tos", 0) if before.service is not None else None,
        mark=values.get("pkt_mark", 0) & 0xFFFFFFFF,
        icmp_type=values.get("icmp_type", before.icmp_type),
        icmp_code=values.get("icmp_code", before.icmp_code),
    )


def frame_of(values: Mapping[str, int], frame: Frame) -> Frame:
    """The frame with the fields as they are now."""
    before = frame.load
    carried = HookPacket(packet_of(values, before.packet)) if isinstance(before, HookPacket) else asked_of(values, before)
    tci = values.get("vlan_tci", 0)
    said = (frame.said, frame.said_at) if values["eth_dst"] == group_of(frame) else ("", None)
    return Frame(values["eth_src"], values["eth_dst"], carried, tci & 0xFFF if tci & TAGGED else 0, *said)


def asked_of(values: Mapping[str, int], asked: Question) -> Question:
    """A question or answer with the fields as they are now: a question whose operation was changed is its answer."""
    if asked.target.family == 6:
        return discovered(values, asked)
    sender, target = values.get("arp_spa", 0), values.get("arp_tpa", 0)
    if values.get("arp_op") != 2:
        return asked._replace(target=Address(4, target), sender=Address(4, sender) if sender else None)
    own = asked._replace(target=Address(4, sender), sender=Address(4, target), mac=values.get("arp_sha", 0), answer=True)
    return own if asked.answer and own.mac == asked.mac else own._replace(answered_by=None)


def discovered(values: Mapping[str, int], asked: Question) -> Question:
    """The same in IPv6."""
    packet = HookPacket(packet_of(values, asked.packet.packet)) if asked.packet is not None else None
    target = Address(6, values.get("nd_target", 0))
    if values.get("icmp_type") != ADVERTISEMENT:
        source = values.get("ipv6_src", 0)
        return asked._replace(target=target, sender=Address(6, source) if source else None, packet=packet)
    own = asked._replace(target=target, mac=values.get("nd_tll", 0), answer=True, packet=packet)
    return own if asked.answer and own.mac == asked.mac else own._replace(answered_by=None)


def advertised(values: Mapping[str, int]) -> Values:
    """The advertisement that OVN's controller makes of a solicitation (ovn/controller/pinctrl.c, ``pinctrl_handle_nd_na``, ``reload_metadata``)."""
    found = {name: value for name, value in values.items() if name.startswith(("reg", "metadata"))}
    found |= {"in_port": CONTROLLER, "eth_type": 0x86DD, "ip_proto": ICMPV6, "nw_ttl": 255, "icmp_type": ADVERTISEMENT}
    found |= {"eth_src": values.get("eth_dst", 0), "eth_dst": values.get("eth_src", 0)}
    found |= {"ipv6_src": values.get("nd_target", 0), "ipv6_dst": values.get("ipv6_src", 0)}
    return {**found, "nd_target": values.get("nd_target", 0), "nd_tll": values.get("eth_dst", 0)}


def parts_of(part: Subfield) -> list[tuple[str, int, int, int]]:
    """The fields that a part is stored in: name, lowest bit there, width, lowest bit of the part."""
    prefix = next((prefix for prefix in SPLIT if part.field.startswith(prefix)), None)
    if prefix is None:
        return [(part.field, part.low, part.width, 0)]
    count = SPLIT[prefix]
    first = int(part.field[len(prefix) :]) * count
    found = []
    for place in range(count):
        base = 32 * (count - 1 - place)
        low, high = max(part.low, base), min(part.low + part.width, base + 32)
        if low < high:
            found.append((f"reg{first + place}", low - base, high - low, low - part.low))
    return found


def read(values: Mapping[str, int], part: Subfield) -> int:
    """The bits of a field."""
    return sum((values.get(name, 0) >> low & ((1 << width) - 1)) << base for name, low, width, base in parts_of(part))


def write(values: Values, part: Subfield, value: int) -> None:
    """Puts bits into a field."""
    for name, low, width, base in parts_of(part):
        mask = (1 << width) - 1
        values[name] = values.get(name, 0) & ~(mask << low) | (value >> base & mask) << low


def loaded(values: Values, action: Load) -> None:
    """``field = (field & ~mask) | value``; of ``xxreg`` and ``xreg`` the registers that they are made of."""
    for prefix, count in SPLIT.items():
        if action.field.startswith(prefix):
            part = Subfield(action.field, 0, 32 * count)
            write(values, part, read(values, part) & ~action.mask | action.value)
            return
    values[action.field] = values.get(action.field, 0) & ~action.mask | action.value


def moved(values: Values, action: Move) -> None:
    """Bits of one field become bits of another."""
    write(values, action.target, read(values, action.origin))


def into_switch(values: Mapping[str, int], in_port: int) -> Values:
    """What another switch sees of a packet that comes by a patch port."""
    return {**{name: value for name, value in values.items() if not name.startswith(OF_SWITCH)}, "in_port": in_port}
