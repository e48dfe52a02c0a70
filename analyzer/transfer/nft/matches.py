"""What native nft rules look at, in the language (net/netfilter/nft_payload.c, nft_meta.c, nft_ct.c, nft_fib.c).

``present`` is when a packet has the value at all (else the rule ends there, negated or not); ``part`` is when the value is one of a range.
"""

from __future__ import annotations

from itertools import product

from analyzer.facts.headers import blocks
from analyzer.facts.matches import AddressTypeMatch, LengthMatch, PacketTypeMatch, ReversePathMatch, Side
from analyzer.facts.nftables import IP6_HEADER, Bitwise, Ct, Fib, Key, Meta, Payload, Pick, Raw, Selector, Value
from analyzer.ranges import single
from analyzer.transfer import ir
from analyzer.transfer.ir import ALWAYS, NEVER, All, Any, Bits, Field, In, Match, Not
from analyzer.transfer.netfilter import conntrack, zones
from analyzer.transfer.netfilter.address_types import address_type
from analyzer.transfer.netfilter.conntrack import STATES, TRACKED
from analyzer.transfer.netfilter.header_words import in_word
from analyzer.transfer.netfilter.lengths import protocol_is
from analyzer.transfer.netfilter.matches import named, of_length, packet_type, through_ipsec
from analyzer.transfer.netfilter.reverse_path import reverse_path
from analyzer.transfer.netfilter.services import group_number, numbered, of_devices, part_of_service, type_number
from analyzer.transfer.netfilter.socket_of import may_have_socket
from analyzer.transfer.netfilter.where import WITH_PORTS, Where, masked
from analyzer.transfer.strangers import from_strangers, of_strangers
from analyzer.transfer.widths import width

PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132, "udplite": 136, "dccp": 33, "icmp": 1, "icmpv6": 58}
STATE_BITS = {1: "INVALID", 2: "ESTABLISHED", 4: "RELATED", 8: "NEW", 64: "UNTRACKED"}
TYPES = {1: "UNICAST", 2: "LOCAL", 3: "BROADCAST", 4: "ANYCAST", 5: "MULTICAST", 7: "UNREACHABLE"}
KINDS = {0: "unicast", 1: "broadcast", 2: "multicast"}
HEADER = {"saddr": Field.SOURCE, "daddr": Field.DESTINATION, "protocol": Field.PROTOCOL, "nexthdr": Field.PROTOCOL, "ttl": Field.TTL, "hoplimit": Field.TTL}  # fmt: skip
TRANSPORT = {"sport": Field.SOURCE_PORT, "dport": Field.DESTINATION_PORT, "flags": Field.TCP_FLAGS}
ICMP = {"type": Field.ICMP_TYPE, "code": Field.ICMP_CODE}
SEEN = Bits(Field.STATUS, ir.SEEN_REPLY, ir.SEEN_REPLY)
FROM_DEVICE = All((Not(In(Field.SOURCE_MAC, single(0))), Not(In(Field.IN_INTERFACE, single(0)))))
LOCAL = In(Field.SOURCE_MAC, single(0))
FEW = 64


def present(key: Key, where: Where) -> Match:
    """When a packet has all the values."""
    found = [one for one in (has(part, where) for part in key) if one != ALWAYS]
    return NEVER if NEVER in found else found[0] if len(found) == 1 else All(tuple(found))


def has(selector: Selector, where: Where) -> Match:
    """When a packet has a value."""
    match selector:
        case Payload("ip" | "ip6" as protocol):
            return ALWAYS if where.context.family == (4 if protocol == "ip" else 6) else NEVER
        case Payload("th"):
            return ALWAYS
        case Payload("ether"):
            strange = from_strangers(where.context, where.space)
            return FROM_DEVICE if strange == NEVER else Any((FROM_DEVICE, strange))
        case Payload("arp"):
            return NEVER
        case Payload(protocol):
            return protocol_is(PROTOCOLS[protocol])
        case Raw("ll"):
            return Not(All((LOCAL, In(Field.IN_INTERFACE, single(0)))))
        case Meta("skuid" | "skgid"):
            return may_have_socket(where.space)
        case Meta("iifgroup" | "oifgroup" | "iiftype" | "oiftype" as key):
            return Not(In(Field.IN_INTERFACE if key[0] == "i" else Field.OUT_INTERFACE, single(0)))
        case Ct("state"):
            return ALWAYS
        case Ct(name) if name.startswith("ip"):
            return TRACKED if where.context.family == (4 if name.startswith("ip ") else 6) else NEVER
        case Ct():
            return TRACKED
        case Bitwise(of):
            return has(of, where)
        case _:
            return ALWAYS


def part(selector: Selector, value: Value, where: Where) -> Match:
    """When the value is the name, or in the range."""
    if isinstance(value, str):
        return device(selector, value, where)
    if where.template and of_connection(selector):
        return where.opaque(f"{selector} of a template is {value}")
    match selector:
        case Payload(protocol, name):
            return payload(protocol, name, value, where)
        case Raw():
            return raw(selector, value, (1 << selector.length) - 1, 0, where)
        case Meta(key):
            return meta(key, value, where)
        case Ct():
            return connection(selector, value, where)
        case Bitwise():
            return bitwise(selector, value, where)
        case Fib():
            return fib(selector, value, where)
        case _:
            return where.opaque(f"{selector} is {value}")


def of_connection(selector: Selector) -> bool:
    """Whether a value is of a connection, which a template is none of (net/netfilter/nf_conntrack_core.c ``nf_ct_tmpl_alloc``)."""
    of = selector.of if isinstance(selector, Bitwise) else selector
    return isinstance(of, Ct) and of.key not in ("state", "direction", "zone")


def device(selector: Selector, name: str, where: Where) -> Match:
    """The name of an interface."""
    match selector:
        case Meta("iif" | "iifname"):
            return named(where, name.removesuffix("*"), name.endswith("*"), Field.IN_INTERFACE)
        case Meta("oif" | "oifname"):
            return named(where, name.removesuffix("*"), name.endswith("*"), Field.OUT_INTERFACE)
        case _:
            return where.opaque(f"{selector} is {name}")


def clipped(field: Field, value: tuple[int, int], where: Where) -> Match:
    """A range of a field's values."""
    low, high = value[0], min(value[1], (1 << width(field, where.context.family)) - 1)
    return In(field, ((low, high),)) if low <= high else NEVER


def constant(own: int, value: tuple[int, int]) -> Match:
    """A value that is the same for all packets."""
    return ALWAYS if value[0] <= own <= value[1] else NEVER


def payload(protocol: str, name: str, value: tuple[int, int], where: Where) -> Match:
    """A header's field."""
    if protocol in ("ip", "ip6"):
        if name == "length":
            low, high = (one + (IP6_HEADER if protocol == "ip6" else 0) for one in value)
            return of_length(LengthMatch(low, high), where)
        if name == "version":
            return constant(where.context.family, value)
        if name in ("dscp", "ecn"):
            return part_of_service(name, value, where.context)
        return clipped(HEADER[name], value, where) if name in HEADER else where.opaque(f"ip {name} is {value}")
    if protocol == "ether":
        if name == "type":
            return constant(0x800 if where.context.family == 4 else 0x86DD, value)
        if name != "saddr":
            return where.opaque(f"ether {name} is {value}")
        strange, own = from_strangers(where.context, where.space), clipped(Field.SOURCE_MAC, value, where)
        single_one = value[0] == value[1]
        words = f"the MAC of the host outside the capture that the packet comes from is {value}"
        theirs = of_strangers(value[0], where.context, where.opaque) if single_one else where.opaque(words)
        return own if strange == NEVER else Any((All((Not(strange), own)), All((strange, theirs))))
    if protocol == "arp":
        return NEVER
    if protocol in ("icmp", "icmpv6"):
        return clipped(ICMP[name], value, where)
    own = clipped(TRANSPORT[name], value, where)
    if protocol == "th" and name == "sport":
        kinds = protocol_is(1 if where.context.family == 4 else 58)
        rest = ported(own, where, f"the bytes at the place of th {name} are {value}")
        return Any((All((kinds, of_kind(value))), All((Not(kinds), rest))))
    return own if protocol != "th" else ported(own, where, f"the bytes at the place of th {name} are {value}")


def raw(of: Raw, value: tuple[int, int], mask: int, flip: int, where: Where) -> Match:
    """Bits by their place in a header, of which those of ``mask`` are asked for."""
    words = f"{of} & {mask:#x} ^ {flip:#x} is {value}"
    if of.base != "ll":
        moved = (((low ^ flip) & bits, bits) for low, bits in blocks(*value, of.length))
        wanted = ((own & mask, bits & mask) for own, bits in moved if not own & ~mask)
        return in_word(of.base, of.offset, of.length, wanted, where.context.family, where.opaque(words))
    name = OF_FRAME.get((of.offset, of.length))
    whole = not flip and mask == (1 << of.length) - 1
    own = payload("ether", name, value, where) if name and whole else where.opaque(words)
    return Any((All((FROM_DEVICE, own)), All((Not(FROM_DEVICE), where.opaque(words)))))


OF_FRAME = {(48, 48): "saddr", (96, 16): "type"}


def of_kind(value: tuple[int, int]) -> Match:
    """Where others have their source port, ICMP has its type and code (RFC 792)."""
    (first, low), (last, high) = divmod(value[0], 256), divmod(value[1], 256)
    if first == last:
        return All((In(Field.ICMP_TYPE, single(first)), In(Field.ICMP_CODE, ((low, high),))))
    ends = [
        (In(Field.ICMP_TYPE, single(first)), In(Field.ICMP_CODE, ((low, 255),))),
        (In(Field.ICMP_TYPE, single(last)), In(Field.ICMP_CODE, ((0, high),))),
    ]
    between = [In(Field.ICMP_TYPE, ((first + 1, last - 1),))] if last - first > 1 else []
    return Any((*map(All, ends), *between))


def ported(own: Match, where: Where, words: str) -> Match:
    """A port; of protocols without any it is not known what stands there."""
    ports = In(Field.PROTOCOL, WITH_PORTS)
    return Any((All((ports, own)), All((Not(ports), where.opaque(words)))))


def meta(key: str, value: tuple[int, int], where: Where) -> Match:
    """``meta`` keys."""
    family = where.context.family
    match key:
        case "mark":
            return clipped(Field.MARK, value, where)
        case "l4proto":
            return clipped(Field.PROTOCOL, value, where)
        case "nfproto":
            return constant(2 if family == 4 else 10, value)
        case "protocol":
            return constant(0x800 if family == 4 else 0x86DD, value)
        case "length":
            return of_length(LengthMatch(*value), where)
        case "ipsec":
            own = through_ipsec(where)
            return Any(tuple(one for number, one in ((0, Not(own)), (1, own)) if value[0] <= number <= value[1]))
        case "iifgroup" | "oifgroup" | "iiftype" | "oiftype":
            number = group_number if key.endswith("group") else type_number
            wanted = of_devices(number, lambda found: value[0] <= found <= value[1])
            return numbered(key[0] == "i", wanted, where.context, where.space, lambda: where.opaque(f"meta {key} is {value}"))
        case "pkttype":
            kinds = (
                packet_type(PacketTypeMatch(kind), where) for number, kind in KINDS.items() if value[0] <= number <= value[1]
            )
            return Any(tuple(kinds))
        case _:
            return where.opaque(f"meta {key} is {value}")


def connection(selector: Ct, value: tuple[int, int], where: Where) -> Match:
    """Keys of conntrack."""
    low, high = value
    match selector.key:
        case "state":
            return Any(tuple(STATES[name] for bit, name in STATE_BITS.items() if low <= bit <= high))
        case "status":
            return status(0xFFFFFFFF, 0, value, where)
        case "mark":
            return clipped(Field.CONNECTION_MARK, value, where)
        case "direction":
            return clipped(Field.DIRECTION, value, where)
        case "l3proto":
            return constant(2 if where.context.family == 4 else 10, value)
        case "protocol":
            return clipped(Field.PROTOCOL, value, where)
        case "zone":
            return zones.in_zone(selector.direction, value, where.context, where.space.scope, where.template)
        case _:
            return end(selector, value, where)


def end(selector: Ct, value: tuple[int, int], where: Where) -> Match:
    """An address or a port of the connection's tuples (``conntrack.address``)."""
    source, destination = In(Field.SOURCE, (value,)), In(Field.DESTINATION, (value,))
    original = selector.direction == "original"
    words = f"ct {selector.direction} {selector.key} is {value}"
    match selector.key.rpartition(" ")[2]:
        case "saddr":
            return (
                In(Field.ORIGINAL_SOURCE, (value,))
                if original
                else conntrack.from_there(destination, source, where.opaque(words))
            )
        case "daddr":
            back = conntrack.back_then(source, destination, where.opaque(words))
            return In(Field.ORIGINAL_DESTINATION, (value,)) if original else back
        case name:
            side = "src" if name == "proto-src" else "dst"
            own = conntrack.port(f"{'orig' if original else 'repl'}{side}port", *value, False, where.opaque)
            return ported(own, where, words)


def status(mask: int, flip: int, value: tuple[int, int], where: Where) -> Match:
    """Bits of ``ct status``: every way in which they can stand."""
    bits: dict[int, Match] = {
        2: SEEN,
        4: All((SEEN, where.opaque("the connection is ASSURED"))),
        8: Bits(Field.STATUS, ir.CONFIRMED, ir.CONFIRMED),
        16: Bits(Field.STATUS, ir.SNAT_STATUS, ir.SNAT_STATUS),
        32: Bits(Field.STATUS, ir.DNAT_STATUS, ir.DNAT_STATUS),
    }
    asked = [bit for bit in bits if bit & mask and (bit != 4 or mask != 0xFFFFFFFF)]
    found: list[Match] = []
    for held in product((False, True), repeat=len(asked)):
        total = sum(bit for bit, on in zip(asked, held, strict=True) if on) ^ flip
        if value[0] <= total <= value[1]:
            found.append(All(tuple(bits[bit] if on else Not(bits[bit]) for bit, on in zip(asked, held, strict=True))))
    return Any(tuple(found))


def bitwise(selector: Bitwise, value: tuple[int, int], where: Where) -> Match:
    """Some bits of a field."""
    of, mask, flip = selector.of, selector.mask, selector.flip
    match of:
        case Ct("state"):
            return Any(tuple(STATES[name] for bit, name in STATE_BITS.items() if value[0] <= (bit & mask) ^ flip <= value[1]))
        case Ct("status"):
            return status(mask, flip, value, where)
        case Raw():
            return raw(of, value, mask, flip, where)
        case Payload("ip", "frag-off") if not mask & ~0x1FFF:
            return constant(flip, value)
        case Payload("ip" | "ip6", "dscp" | "ecn" as name):
            return part_of_service(name, value, where.context, mask, flip)
        case _:
            field = field_of(of)
    if field is None or value[1] - value[0] >= FEW:
        return where.opaque(f"{of} & {mask:#x} is {value}")
    size = width(field, where.context.family)
    full = (1 << size) - 1
    numbers = [number ^ flip for number in range(value[0], value[1] + 1)]
    found = [masked(field, number, mask & full, size) for number in numbers if not number & ~mask and number <= full]
    return found[0] if len(found) == 1 else Any(tuple(found))


def field_of(of: Payload | Raw | Meta | Ct) -> Field | None:
    """The field that an expression is, where it is one."""
    match of:
        case Payload("ip" | "ip6", name):
            return HEADER.get(name)
        case Payload("tcp" | "udp" | "sctp" | "udplite" | "dccp", name):
            return TRANSPORT.get(name)
        case Payload("icmp" | "icmpv6", name):
            return ICMP.get(name)
        case Meta("mark"):
            return Field.MARK
        case Meta("l4proto"):
            return Field.PROTOCOL
        case Ct("mark"):
            return Field.CONNECTION_MARK
        case _:
            return None


def fib(selector: Fib, value: tuple[int, int], where: Where) -> Match:
    """The type of an address, or whether the way back is the one that the packet came by."""
    flags = frozenset(selector.flags)
    if selector.result == "type":
        side = Side.SOURCE if "saddr" in flags else Side.DESTINATION
        limit = "in" if "iif" in flags else "out" if "oif" in flags else ""
        names = [name for number, name in TYPES.items() if value[0] <= number <= value[1]]
        return Any(tuple(of_type(name, side, limit, where) for name in names))
    words = f"fib {' . '.join(selector.flags)} {selector.result} is {value}"
    if not selector.present or "saddr" not in flags:
        return where.opaque(words)
    wanted = ReversePathMatch(loose="iif" not in flags, valid_mark="mark" in flags)
    own = reverse_path(wanted, where.context, where.space, where.opaque)
    return Any(((own,) if value[1] >= 1 else ()) + ((Not(own),) if value[0] <= 0 else ()))


def of_type(name: str, side: Side, limit: str, where: Where) -> Match:
    """An address of one type; in IPv6 one that is local is not also UNICAST here (nft_fib_ipv6.c ``__nft_fib6_eval_type``)."""
    if where.context.family == 6 and name == "BROADCAST":
        return NEVER
    own = address_type(AddressTypeMatch(side, frozenset({name}), limit=limit), where.context, where.space, where.opaque)
    if where.context.family == 6 and name == "UNICAST":
        others = (of_type(other, side, limit, where) for other in ("LOCAL", "ANYCAST"))
        return All((own, *(Not(other) for other in others)))
    return own


def by_choice(key: Key) -> Pick | None:
    """The number that the network picks, where a key is one."""
    return key[0] if len(key) == 1 and isinstance(key[0], Pick) else None
