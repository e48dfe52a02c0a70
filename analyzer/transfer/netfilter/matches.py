"""The matches of iptables rules in the language, after the kernel's xt_*.c (each function names its file)."""

from __future__ import annotations

from analyzer.addresses import WIDTH
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
    OpenMatch,
    OwnerMatch,
    PacketTypeMatch,
    PhysdevMatch,
    PortMatch,
    ProtocolMatch,
    RateMatch,
    RecentMatch,
    ReversePathMatch,
    SetMatch,
    Side,
    SocketMatch,
    StatisticMatch,
    TcpFlagsMatch,
    TimeToLiveMatch,
    TypeOfServiceMatch,
    UnknownMatch,
    WordMatch,
)
from analyzer.facts.matches import Match as Fact
from analyzer.model.changing import Changing, changing_sets
from analyzer.model.ipsec import transformed
from analyzer.ranges import normalised, single
from analyzer.transfer.ir import ALWAYS, CONFIRMED, NEVER, All, Any, Bits, Field, In, Match, Not, Opaque
from analyzer.transfer.netfilter import conntrack
from analyzer.transfer.netfilter.address_types import address_type
from analyzer.transfer.netfilter.balancing import balanced
from analyzer.transfer.netfilter.header_words import word
from analyzer.transfer.netfilter.lengths import length, protocol_is
from analyzer.transfer.netfilter.reverse_path import reverse_path
from analyzer.transfer.netfilter.services import device_group, type_of_service
from analyzer.transfer.netfilter.sets import Frames, set_match
from analyzer.transfer.netfilter.socket_of import SENT, concerned_packets, open_for
from analyzer.transfer.netfilter.where import WITH_PORTS, Where, ends, masked, negate, open_test
from analyzer.transfer.sockets import transparent_socket
from analyzer.transfer.space import BROADCAST
from analyzer.transfer.strangers import from_strangers, of_strangers


def address(match: AddressMatch, where: Where) -> Match:
    """ip_tables.c ``ip_packet_match``."""
    if match.family != where.context.family:
        return NEVER
    return negate(masked(ends(match.side), match.value, match.mask, WIDTH[match.family]), match.negated)


def named(where: Where, name: str, wildcard: bool, field: Field) -> Match:
    """The interfaces with a name, or whose name starts so."""
    names = where.context.names
    if not wildcard:
        return In(field, single(names.number(name)))
    numbers = [number for known, number in names.numbers.items() if known.startswith(name)]
    if not name:
        return ALWAYS
    return In(field, normalised((number, number) for number in numbers)) if numbers else NEVER


def interface(match: InterfaceMatch, where: Where) -> Match:
    """ip_tables.c ``ip_packet_match``: a hook without the device has an empty name."""
    field = Field.IN_INTERFACE if match.incoming else Field.OUT_INTERFACE
    return negate(named(where, match.name, match.wildcard, field), match.negated)


def port(match: PortMatch, where: Where) -> Match:
    """xt_tcpudp.c, xt_multiport.c: a protocol without ports does not match, negated or not."""
    del where
    source, destination = In(Field.SOURCE_PORT, match.ports), In(Field.DESTINATION_PORT, match.ports)
    own: Match = Any((source, destination)) if match.side is None else source if match.side is Side.SOURCE else destination
    return All((In(Field.PROTOCOL, WITH_PORTS), negate(own, match.negated)))


def tcp_flags(match: TcpFlagsMatch, where: Where) -> Match:
    """xt_tcpudp.c ``tcp_mt``."""
    del where
    return All((In(Field.PROTOCOL, single(6)), negate(Bits(Field.TCP_FLAGS, match.mask, match.value), match.negated)))


def icmp(match: IcmpMatch, where: Where) -> Match:
    """ip_tables.c ``icmp_type_code_match``: type 255 is any in IPv4."""
    family = where.context.family
    if match.type == 255 and family == 4:
        own = ALWAYS
    else:
        own = All((In(Field.ICMP_TYPE, single(match.type)), In(Field.ICMP_CODE, (match.codes,))))
    return All((In(Field.PROTOCOL, single(1 if family == 4 else 58)), negate(own, match.negated)))


def mark(match: MarkMatch, where: Where) -> Match:
    """xt_mark.c, xt_connmark.c: without a connection connmark does not match, negated or not."""
    del where
    if not match.connection:
        return negate(masked(Field.MARK, match.value, match.mask, 32), match.negated)
    own = negate(masked(Field.CONNECTION_MARK, match.value, match.mask, 32), match.negated)
    return All((conntrack.TRACKED, own))


def in_set(match: SetMatch, where: Where) -> Match:
    """xt_set.c; tests of a member's counters are open."""
    counted = any(option.lstrip("-! ").startswith(("packets", "bytes")) for option in match.options)
    if counted or (match.name not in where.space.sets and "ipset" in where.space.missing):
        return where.opaque(f"the set {match.name} holds the packet")
    place = str(where.space.scope)
    context = where.context
    nomatch = "return-nomatch" in match.options
    key = (where.space.scope, match.name, match.sides, nomatch)
    if key not in context.matches:
        strange = from_strangers(context, where.space)
        frames = Frames(strange, lambda mac: context.hardware[mac] > 0, place, where.at)
        found = set_match(
            where.space.sets, match.name, match.sides, context.family, context.names, place, where.at, frames, nomatch
        )
        context.matches[key] = found
    return negate(by_now(match, context.matches[key], where), match.negated)


def by_now(match: SetMatch, once: Match, where: Where) -> Match:
    """Whether a set that rules change holds the packet: a member may be taken away, another value be added, by this packet or by others."""
    made = where.context.made
    changing = made.get(("changing sets", where.space.scope))
    if changing is None:
        changing = made["changing sets", where.space.scope] = changing_sets(where.space)
    added, removed = changing.get(match.name, Changing()) if isinstance(changing, dict) else Changing()
    if not added and not removed:
        return once
    asked = asked_of_each(f"the set {match.name}, which rules change, holds the packet", where)
    held = All((once, asked)) if removed else once
    return Any((held, asked)) if added else held


def asked_of_each(words: str, where: Where) -> Match:
    """A test that is not known, of the first packet of a connection, of those that follow, and of what comes back."""
    first, later = (
        All((In(Field.DIRECTION, single(0)), Not(Bits(Field.STATUS, CONFIRMED, CONFIRMED)))),
        In(Field.DIRECTION, single(0)),
    )
    return Any((
        All((first, where.opaque(words))),
        All((Not(first), later, where.opaque(f"{words} when the connection is made"))),
        All((Not(later), where.opaque(f"{words} on its way back"))),
    ))  # fmt: skip


def address_range(match: AddressRangeMatch, where: Where) -> Match:
    """xt_iprange.c."""
    if match.family != where.context.family:
        return NEVER
    return negate(In(ends(match.side), ((match.low, match.high),)), match.negated)


def physdev(match: PhysdevMatch, where: Where) -> Match:
    """xt_physdev.c ``physdev_mt``: without br_netfilter's record the packet matches only tests that want nothing."""
    came, goes = Not(In(Field.PHYSICAL_IN, single(0))), Not(In(Field.PHYSICAL_OUT, single(0)))
    wanted = True in (match.is_bridged, match.is_in, match.is_out)
    named_ends = (match.incoming is not None and not match.incoming_negated) or (
        match.outgoing is not None and not match.outgoing_negated
    )
    tests = [negate(test, not asked) for asked, test in ((match.is_bridged, goes), (match.is_in, came), (match.is_out, goes)) if asked is not None]  # fmt: skip
    if match.incoming is not None:
        own = port_named(where, match.incoming, Field.PHYSICAL_IN)
        tests.append(Any((Not(came), negate(own, match.incoming_negated))))
    if match.outgoing is not None:
        own = port_named(where, match.outgoing, Field.PHYSICAL_OUT)
        tests += [goes, negate(own, match.outgoing_negated)]
    bridged = All((Any((came, goes)), *tests))
    return bridged if wanted or named_ends else Any((All((Not(came), Not(goes))), bridged))


def port_named(where: Where, name: str, field: Field) -> Match:
    """A bridge port whose name may end in ``+``."""
    return named(where, name.removesuffix("+"), name.endswith("+"), field)


def of_length(match: LengthMatch, where: Where) -> Match:
    """xt_length.c."""
    return length(match, where.context.family, lambda words: asked_of_each(words, where))


def time_to_live(match: TimeToLiveMatch, where: Where) -> Match:
    """xt_hl.c."""
    del where
    own = In(Field.TTL, single(match.value))
    cases: dict[str, Match] = {
        "eq": own,
        "ne": Not(own),
        "lt": In(Field.TTL, normalised([(0, match.value - 1)])),
        "gt": In(Field.TTL, normalised([(match.value + 1, 255)])),
    }
    return cases[match.operator]


def mac(match: MacMatch, where: Where) -> Match:
    """xt_mac.c: a packet without a received frame does not match, negated or not."""
    own = negate(In(Field.SOURCE_MAC, single(match.mac)), match.negated)
    known = All((Not(In(Field.SOURCE_MAC, single(0))), own))
    strange = from_strangers(where.context, where.space)
    theirs = negate(of_strangers(match.mac, where.context, where.opaque), match.negated)
    return known if strange == NEVER else Any((known, All((strange, theirs))))


def packet_type(match: PacketTypeMatch, where: Where) -> Match:
    """xt_pkttype.c, by the frame's destination."""
    del where
    broadcast, group = In(Field.DESTINATION_MAC, single(BROADCAST)), Bits(Field.DESTINATION_MAC, 1 << 40, 1 << 40)
    cases: dict[str, Match] = {"broadcast": broadcast, "multicast": All((group, Not(broadcast)))}
    own = cases.get(match.type, Not(group))
    return negate(own, match.negated)


def through_ipsec(where: Where) -> Match:
    """Whether a policy of IPsec is for the packet (xt_policy.c ``policy_mt``)."""
    words, some = transformed(where.space)
    if some:
        return Opaque(words)
    where.context.assume(words)
    return NEVER


def lowered(match: Fact, where: Where) -> Match:
    """One match."""
    match match:
        case AddressMatch():
            return address(match, where)
        case ProtocolMatch(number, negated):
            return negate(protocol_is(number), negated)
        case InterfaceMatch():
            return interface(match, where)
        case FragmentMatch(negated):
            return ALWAYS if negated else NEVER
        case ExtensionHeaderMatch():
            return NEVER
        case IpsecMatch(wanted):
            return negate(through_ipsec(where), not wanted)
        case SocketMatch(wildcard):
            return transparent_socket(wildcard, where.context, where.space, where.opaque)
        case BalancedMatch():
            return balanced(match, where.table == "nat" and where.hooks() == (False, True), where.space, where.opaque)
        case DeviceGroupMatch():
            return device_group(match, where.context, where.space, where.opaque)
        case PortMatch():
            return port(match, where)
        case TcpFlagsMatch():
            return tcp_flags(match, where)
        case IcmpMatch():
            return icmp(match, where)
        case ConntrackMatch():
            return conntrack.conntrack(match, where.context.width, where.opaque, where.template)
        case MarkMatch():
            return mark(match, where)
        case SetMatch():
            return in_set(match, where)
        case AddressTypeMatch():
            return address_type(match, where.context, where.space, where.opaque)
        case AddressRangeMatch():
            return address_range(match, where)
        case PhysdevMatch():
            return physdev(match, where)
        case LengthMatch():
            return of_length(match, where)
        case TimeToLiveMatch():
            return time_to_live(match, where)
        case WordMatch():
            return word(match, where)
        case TypeOfServiceMatch():
            return type_of_service(match, where.context)
        case MacMatch():
            return mac(match, where)
        case PacketTypeMatch():
            return packet_type(match, where)
        case OwnerMatch():
            return open_for(SENT, where.opaque("the sending process is the rule's"), match.without_socket)
        case OpenMatch(text, _, concerned, otherwise):
            some = concerned_packets(concerned, where.context.family, where.space)
            return open_for(some, where.opaque(f"`{text}` holds"), otherwise)
        case ReversePathMatch():
            return reverse_path(match, where.context, where.space, where.opaque)
        case RateMatch(module, text):
            return where.opaque(f"{module} {text} holds")
        case UnknownMatch(text):
            return where.opaque(f"{text!r} holds")
        case StatisticMatch() | RecentMatch():
            return ALWAYS


def by_chance(match: Fact) -> bool:
    """Whether a match is a choice: a random or n-th packet, or the memory of earlier clients (``recent``)."""
    match match:
        case StatisticMatch():
            return not certain(match)
        case RecentMatch():
            return match.action != "set"
        case _:
            return False


def impossible(match: Fact) -> bool:
    """Whether a match by chance never holds."""
    match match:
        case StatisticMatch():
            return certain(match) and (match.negated or match.probability == 0)
        case RecentMatch():
            return match.action == "set" and match.negated
        case _:
            return False


def certain(match: StatisticMatch) -> bool:
    """Whether nothing is left to chance (xt_statistic.c)."""
    if match.mode == "random":
        return match.probability is not None and (match.probability >= 1 or match.probability <= 0)
    return match.every is not None and match.every <= 1


def all_of(matches: tuple[Fact, ...], where: Where) -> Match:
    """All matches of a rule; what is not known is asked last."""
    if any(impossible(match) for match in matches):
        return NEVER
    found = [lowered(match, where) for match in matches]
    known = [match for match in found if match != ALWAYS and not open_test(match)]
    unknown = [match for match in found if open_test(match)]
    parts = (*known, *unknown)
    return parts[0] if len(parts) == 1 else All(parts)
