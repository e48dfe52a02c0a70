"""What the expressions of nft rules load from a packet (net/netfilter/nft_payload.c, nft_meta.c, nft_ct.c, nft_fib.c).

None means that the packet has no such value: the rule ends there (NFT_BREAK), negated or not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from analyzer.facts.matches import ReversePathMatch
from analyzer.facts.nftables import IP6_HEADER, Bitwise, Ct, Fib, Key, Meta, Payload, Pick, Raw, Selector
from analyzer.model.service_types import SENT
from analyzer.solve.packet import ICMP, ICMPV6, PICKED, SCTP, TCP, UDP, Packet
from analyzer.solve.walk.netfilter.frame_macs import known_here
from analyzer.solve.walk.netfilter.header_words import word
from analyzer.solve.walk.netfilter.matches import group_of, lengths, through_ipsec
from analyzer.solve.walk.netfilter.socket_of import may_have_socket
from analyzer.solve.walk.netfilter.state import FOREIGN_MAC, NO_FLOW, Connection, Hook
from analyzer.solve.walk.netfilter.tracking import WITH_PORTS
from analyzer.solve.walk.netfilter.visit import Visit
from analyzer.solve.walk.nft.sets import Loaded, Unseen

ECHOES = {4: ICMP, 6: ICMPV6}
PROTOCOLS = {"tcp": TCP, "udp": UDP, "sctp": SCTP, "udplite": 136, "dccp": 33}
STATES = {"INVALID": 1, "ESTABLISHED": 2, "RELATED": 4, "NEW": 8, "UNTRACKED": 64}
ASSURED, SEEN_REPLY, CONFIRMED, SOURCE, DESTINATION = 4, 2, 8, 16, 32
TYPES = {
    "UNSPEC": 0, "UNICAST": 1, "LOCAL": 2, "BROADCAST": 3, "ANYCAST": 4, "MULTICAST": 5, "BLACKHOLE": 6, "UNREACHABLE": 7, "PROHIBIT": 8,
}  # fmt: skip
KINDS = {"unicast": 0, "broadcast": 1, "multicast": 2}
FRAGMENT_OFFSET = 0x1FFF
SERVICE = {"dscp": (2, 0x3F), "ecn": (0, 3)}
"""Where the two parts of the byte are: shifts and masks."""


def load_all(key: Key, visit: Visit) -> tuple[Loaded, ...] | None:
    """The values of a key's parts; None where the packet lacks one."""
    found: list[Loaded] = []
    for part in key:
        value = load(part, visit)
        if value is None:
            return None
        found.append(value)
    return tuple(found)


def load(selector: Selector, visit: Visit) -> Loaded | None:
    """One value."""
    match selector:
        case Payload(protocol, name):
            return payload(protocol, name, visit)
        case Raw():
            return raw(selector, visit)
        case Meta(key):
            return META[key](visit)
        case Ct():
            return connection(selector, visit)
        case Bitwise(of, mask, flip):
            return masked(of, mask, flip, visit)
        case Fib():
            return fib(selector, visit)
        case Pick(mode, modulus, offset):
            return offset + visit.oracle.choose(modulus, f"{visit.place}: {mode} picks one of {modulus}")
        case _:
            return Unseen(selector.text)


def raw(of: Raw, visit: Visit, mask: int = -1) -> Loaded | None:
    """nft_payload.c: bits by their place, of which those of ``mask`` are asked for. Of what the host sends itself there is no frame."""
    if of.base == "ll":
        name = OF_FRAME.get((of.offset, of.length))
        if visit.at.local:
            return None
        known = ether(name, visit) if name and visit.at.in_device else None
        return Unseen(f"the bits {of} of a frame") if known is None else known
    value, known = word(of.base, of.offset, of.length, visit.packet)
    if mask & ~known & ((1 << of.length) - 1):
        return Unseen(f"the bits {of} of {visit.packet}")
    return value


OF_FRAME = {(0, 48): "daddr", (48, 48): "saddr", (96, 16): "type"}


def masked(of: Payload | Raw | Meta | Ct, mask: int, flip: int, visit: Visit) -> Loaded | None:
    """Some bits of a value. Packets are whole: their fragment offset is 0, whatever the flags beside it are."""
    if of == Payload("ip", "frag-off") and not mask & ~FRAGMENT_OFFSET:
        return flip if visit.packet.family == 4 else None
    value = raw(of, visit, mask) if isinstance(of, Raw) else load(of, visit)
    if isinstance(value, int) and value >= PICKED and is_port(of):
        return Unseen("the port that was picked at random")
    if isinstance(value, int):
        if of == Ct("status") and mask & ASSURED and value & SEEN_REPLY:
            return Unseen("the connection is ASSURED")
        return (value & mask) ^ flip
    return Unseen(value.words) if isinstance(value, Unseen) else value


def is_port(of: Selector) -> bool:
    """Whether a value is a port, which a kernel may have picked at random."""
    match of:
        case Payload(_, "sport" | "dport") | Ct("proto-src" | "proto-dst"):
            return True
        case _:
            return False


def payload(protocol: str, name: str, visit: Visit) -> Loaded | None:
    """nft_payload.c; a header's field asks for its protocol first (the dependency that nft adds and does not show)."""
    packet = visit.packet
    if protocol in ("ip", "ip6"):
        if packet.family != (4 if protocol == "ip" else 6):
            return None
        if name in SERVICE:
            visit.assumptions.append(SENT)
            shift, mask = SERVICE[name]
            return Unseen(f"{protocol} {name}") if packet.service is None else packet.service >> shift & mask
        return network(name, packet)
    if protocol == "ether":
        return ether(name, visit)
    if protocol == "arp":
        return None
    if protocol in ("icmp", "icmpv6"):
        wanted = ICMP if protocol == "icmp" else ICMPV6
        return (packet.icmp_type if name == "type" else packet.icmp_code) if packet.protocol == wanted else None
    if protocol == "th" and name == "sport" and packet.protocol == ECHOES[packet.family]:
        return packet.icmp_type << 8 | packet.icmp_code
    if protocol == "th" and packet.protocol not in WITH_PORTS:
        return Unseen(f"the bytes of {packet} where others have their {name}")
    if protocol != "th" and packet.protocol != PROTOCOLS[protocol]:
        return None
    if name == "flags":
        return packet.tcp_flags
    return packet.source_port if name == "sport" else packet.destination_port


def network(name: str, packet: Packet) -> Loaded:
    """A field of the IP header."""
    match name:
        case "saddr":
            return packet.source
        case "daddr":
            return packet.destination
        case "protocol" | "nexthdr":
            return packet.protocol
        case "ttl" | "hoplimit":
            return packet.ttl
        case "length":
            return whole(packet, IP6_HEADER if packet.family == 6 else 0)
        case "version":
            return packet.family
        case _:
            return Unseen(f"ip {name}")


def whole(packet: Packet, without: int = 0) -> Loaded:
    """The length of the whole packet with its IP header (skb->len at the hooks of IP), ``without`` so many bytes."""
    low, high = (length - without for length in lengths(packet))
    return low if low == high else Unseen(f"the length of {packet}", (low, high))


def ether(name: str, visit: Visit) -> Loaded | None:
    """The frame that brought the packet: none where no device of Ethernet did (``meta iiftype ether`` is asked first; that of ``lo`` is another)."""
    if visit.at.local or visit.at.in_device in ("", "lo"):
        return None
    if name == "type":
        return 0x800 if visit.packet.family == 4 else 0x86DD
    if name == "saddr" and visit.at.source_mac == FOREIGN_MAC:
        return Unseen(f"the MAC of the host outside the capture that {visit.packet} comes from", None, known_here(visit))
    if name == "saddr" and visit.at.source_mac is not None:
        return visit.at.source_mac
    return Unseen(f"ether {name}")


def owner(visit: Visit) -> Loaded | None:
    """nft_meta.c ``nft_meta_get_eval_skugid``: a packet without a local socket has none."""
    return Unseen("the process whose socket it is") if may_have_socket(visit) else None


def group(device: str, visit: Visit) -> Loaded | None:
    """nft_meta.c ``nft_meta_get_eval_ifgroup``: none without a device."""
    known = group_of(device, visit)
    return None if not device else Unseen(f"the group of {device}") if known is None else known


def hardware_type(device: str, visit: Visit) -> Loaded | None:
    """nft_meta.c ``nft_meta_get_eval_iftype``: none without a device."""
    link = visit.sets.namespace.links.get(device)
    known = link.hardware_type if link is not None else None
    return None if not device else Unseen(f"the type of {device}") if known is None else known


META: Mapping[str, Callable[[Visit], Loaded | None]] = {
    "mark": lambda visit: visit.packet.mark,
    "iif": lambda visit: visit.at.in_device,
    "iifname": lambda visit: visit.at.in_device,
    "oif": lambda visit: visit.at.out_device,
    "oifname": lambda visit: visit.at.out_device,
    "iifgroup": lambda visit: group(visit.at.in_device, visit),
    "oifgroup": lambda visit: group(visit.at.out_device, visit),
    "iiftype": lambda visit: hardware_type(visit.at.in_device, visit),
    "oiftype": lambda visit: hardware_type(visit.at.out_device, visit),
    "l4proto": lambda visit: visit.packet.protocol,
    "nfproto": lambda visit: 2 if visit.packet.family == 4 else 10,
    "protocol": lambda visit: 0x800 if visit.packet.family == 4 else 0x86DD,
    "pkttype": lambda visit: KINDS.get(visit.at.packet_type, 3),
    "length": lambda visit: whole(visit.packet),
    "skuid": owner,
    "ipsec": lambda visit: int(through_ipsec(visit)),
    "skgid": owner,
}


def of_template(key: str) -> Loaded | None:
    """What a template has (``nf_ct_tmpl_alloc``): empty tuples, which are of no family. Its status is not the same in all kernels."""
    if "addr" in key:
        return None
    return Unseen("ct status of a template") if key == "status" else 0


def connection(selector: Ct, visit: Visit) -> Loaded | None:
    """nft_ct.c ``nft_ct_get_eval``: without a connection only the state can be read."""
    if selector.key == "state":
        return STATES[visit.tracked.state if visit.tracked else "INVALID"]
    found = visit.connection
    if found is None or visit.tracked is None:
        return None
    if found.original == NO_FLOW and selector.key not in ("mark", "direction", "zone"):
        return of_template(selector.key)
    match selector.key:
        case "status":
            return status(found)
        case "mark":
            return found.mark
        case "direction":
            return int(visit.tracked.reply)
        case "l3proto":
            return 2 if visit.packet.family == 4 else 10
        case "protocol":
            return found.original.protocol
        case "zone":
            return found.zone.of(selector.direction == "reply") if selector.direction else found.zone.number
        case _:
            return end(selector, found, visit.packet.family)


def status(found: Connection) -> int:
    """The bits of ``ct status``."""
    bits = SEEN_REPLY * found.seen_reply | CONFIRMED * found.confirmed
    return bits | SOURCE * found.source_translated | DESTINATION * found.destination_translated


def end(selector: Ct, found: Connection, family: int) -> Loaded | None:
    """An address or a port of one of the connection's tuples."""
    flow = found.reply if selector.direction == "reply" else found.original
    name = selector.key
    if name.startswith("ip"):
        if family != (4 if name.startswith("ip ") else 6):
            return None
        return flow.source if name.endswith("saddr") else flow.destination
    if flow.protocol not in WITH_PORTS:
        return Unseen(f"ct {name}")
    return flow.source_port if name == "proto-src" else flow.destination_port


def fib(selector: Fib, visit: Visit) -> Loaded | None:
    """nft_fib.c: the type of an address, or whether the way back leaves by the device that the packet came in by."""
    flags = frozenset(selector.flags)
    if selector.result == "type":
        value = visit.packet.source if "saddr" in flags else visit.packet.destination
        device = visit.at.in_device if "iif" in flags else visit.at.out_device if "oif" in flags else ""
        return TYPES.get(visit.surroundings.address_type(value, device or None), 0)
    answer = visit.surroundings.reverse_path
    if not selector.present or "saddr" not in flags or answer is None or visit.hook is Hook.OUTPUT:
        return Unseen(f"fib {' . '.join(selector.flags)} {selector.result}")
    wanted = ReversePathMatch(loose="iif" not in flags, valid_mark="mark" in flags)
    return int(answer(wanted, visit.at.with_packet(visit.packet)))
