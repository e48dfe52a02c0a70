"""Matches that a packet alone does not decide: chance, traffic, memory, processes, sets that may not be captured, and what is not modelled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from analyzer.addresses import Address
from analyzer.facts.matches import (
    OpenMatch,
    OwnerMatch,
    RateMatch,
    RecentMatch,
    SetMatch,
    Side,
    SocketMatch,
    StatisticMatch,
    UnknownMatch,
    WordMatch,
)
from analyzer.facts.netfilter import NfRule
from analyzer.model.sockets import maybe_transparent, taken_for_granted
from analyzer.solve.packet import ICMP, ICMPV6, PICKED, SCTP, SYN, TCP, UDP, Packet
from analyzer.solve.walk.netfilter.frame_macs import frame_mac, holds_frame
from analyzer.solve.walk.netfilter.header_words import words
from analyzer.solve.walk.netfilter.sets import Key, LookUp
from analyzer.solve.walk.netfilter.sets import holds as holds_key
from analyzer.solve.walk.netfilter.socket_of import concerns
from analyzer.solve.walk.netfilter.tracking import WITH_PORTS, flow_of
from analyzer.solve.walk.netfilter.visit import Visit

DEEP = 8
"""list:set may hold sets, not lists; deeper nesting is a damaged capture."""


def statistic(match: StatisticMatch, rule: NfRule, visit: Visit) -> bool:
    """xt_statistic.c: the network's choice, except where the probability leaves none."""
    if match.mode == "random":
        chance = match.probability if match.probability is not None else 0.0
        if chance >= 1 or chance <= 0:
            return (chance >= 1) != match.negated
    elif (match.every or 1) <= 1:
        return not match.negated
    return visit.oracle.choose(2, f"{visit.place}: chance picks {visit.table} rule {rule.number}", rule.at) == 0


def recent(match: RecentMatch, rule: NfRule, visit: Visit) -> bool:
    """xt_recent.c: whether the list holds the address is memory of earlier traffic, so either may be the case; not seen is tried first."""
    packet = visit.packet
    address = packet.source if match.side is Side.SOURCE else packet.destination
    if match.action == "set":
        visit.recent[match.name, address] = True
        return not match.negated
    known = visit.recent.get((match.name, address))
    if known is None or match.hit_count is not None:
        words = f"{visit.place}: the list {match.name} holds {Address(packet.family, address)}"
        known = visit.oracle.choose(2, words, rule.at) == 1
    if match.action == "remove":
        visit.recent[match.name, address] = False
    return known != match.negated


def rate(match: RateMatch, rule: NfRule, visit: Visit) -> bool:
    """Limits depend on the traffic."""
    words = f"{visit.place}: the traffic is such that `{match.text}` holds ({rule.at.path}:{rule.at.line})"
    return visit.oracle.test(words, rule.at, "only the traffic decides it")


def unknown(match: UnknownMatch, rule: NfRule, visit: Visit) -> bool:
    """A match that is not modelled."""
    return visit.oracle.test(f"{visit.place}: {visit.table} {match.text} holds", rule.at, "the match is not modelled")


def open_match(match: OpenMatch, rule: NfRule, visit: Visit) -> bool:
    """A match that no capture decides for the packets that it concerns."""
    if not concerns(match.concerned, visit):
        return match.otherwise
    return visit.oracle.test(f"{visit.place}: `{match.text}` holds ({rule.at.path}:{rule.at.line})", rule.at, match.settle)


def owner(match: OwnerMatch, rule: NfRule, visit: Visit) -> bool:
    """xt_owner.c ``owner_mt``: without a local socket, only a rule whose every test is negated matches."""
    if not visit.at.local:
        return match.without_socket
    return visit.oracle.test(f"{visit.place}: the sending process is the one that {rule.text} asks for", rule.at)


def socket(match: SocketMatch, rule: NfRule, visit: Visit) -> bool:
    """xt_socket.c ``socket_match`` with nf_socket_ipv4.c ``nf_sk_lookup_slow_v4``: a connection that TPROXY gave to a socket has one, and what listens at
    exactly this address may be one; sockets that are bound to no address do not count, but for ``--nowildcard``."""
    del rule
    packet, space = visit.packet, visit.sets.namespace
    if packet.protocol not in (TCP, UDP):
        return False
    if packet.protocol == TCP and not packet.tcp_flags & SYN:
        return flow_of(packet) in visit.connections.proxied
    for fact in maybe_transparent(space, match.wildcard):
        if (fact.protocol, fact.port) == (packet.protocol, packet.destination_port) and bound_to(fact.address, packet):
            return visit.oracle.test(f"{visit.place}: the socket on port {fact.port} is transparent", fact.at)
    visit.assumptions.append(taken_for_granted(space))
    return False


def bound_to(address: Address | None, packet: Packet) -> bool:
    """Whether a socket of this address takes the packet; IPv6's "any" may take IPv4 too."""
    if address is None or not address.value:
        return address is None or address.family in (6, packet.family)
    return address == Address(packet.family, packet.destination)


def in_set(match: SetMatch, rule: NfRule, visit: Visit) -> bool:
    """xt_set.c ``set_match_v4``; in sets of networks, return-nomatch turns the meaning of ``nomatch`` members around (ip_set_core.c ``ip_set_test``)."""
    found = look_up(match.name, match, rule, visit, 0)
    table = visit.sets.get(match.name)
    if "return-nomatch" in match.options and table is not None:
        if table.names:
            words = f"{visit.place}: a member of the list {match.name} holds the packet as nomatch"
            return visit.oracle.test(words, rule.at) != match.negated
        if "net" in table.parts:
            return (found is None) != match.negated
    return bool(found) != match.negated


def look_up(name: str, match: SetMatch, rule: NfRule, visit: Visit, depth: int) -> bool | None:
    """True or False; None where a ``nomatch`` member was found."""
    table = visit.sets.get(name)
    if table is None:
        return ask(name, match, rule, visit, f"capture `ipset save` on {visit.place}: it does not hold the set {name}")
    if table.names and depth < DEEP:
        return in_list(table, match, rule, visit, depth)
    if table.family != visit.packet.family and table.parts not in (("port",), ("mac",)):
        return False
    values = key(table, match, visit)
    if values is None:
        return False
    if "mac" in table.parts:
        found: bool | None = holds_frame(name, table, match.sides, values, visit)
    else:
        found = holds_picked(table, values, match, rule, visit) if visit.oracle.picked else holds_key(table, values)
    if name in visit.sets.changing:
        return changed(name, values, found, match, rule, visit)
    if table.unread and found is False:
        return ask(name, match, rule, visit, f"the member {table.unread[0]} of the set {name} is not understood")
    return found


def changed(name: str, values: Key, found: bool | None, match: SetMatch, rule: NfRule, visit: Visit) -> bool | None:
    """A set that rules change: what this walk's packets did to it is known; what others did, nobody knows."""
    known = visit.connections.members.get((name, values))
    if known is not None and name not in visit.connections.unsettled:
        return known
    added, removed = visit.sets.changing[name]
    if name not in visit.connections.unsettled and not (removed if found else added):
        return found
    return ask(name, match, rule, visit, f"rules of {visit.place} change the set {name} while packets pass")


def change(name: str, sides: tuple[Side, ...], added: bool, visit: Visit) -> None:
    """xt_set.c ``set_target_v3``: the packet's values become a member of the set, or are none any more. What becomes of networks (their length
    is that of the set's members), lists, devices and ports that were picked at random is not followed."""
    table = visit.sets.get(name)
    if table is None or table.names or set(table.parts) - {"ip", "port", "mac", "mark"} or visit.oracle.picked:
        visit.connections.unsettled |= {name, *(member for member, _ in (table.names if table is not None else ()))}
        return
    values = key(table, SetMatch(name, sides), visit)
    if values is not None and (table.family == visit.packet.family or "ip" not in table.parts):
        visit.connections.members[name, values] = added


def holds_picked(table: LookUp, values: Key, match: SetMatch, rule: NfRule, visit: Visit) -> bool | None:
    """Whether the set holds the packet's values, of which one may be a port that was picked at random."""
    for place, (part, side) in enumerate(zip(table.parts, match.sides, strict=False)):
        port = visit.packet.source_port if side is Side.SOURCE else visit.packet.destination_port
        if part == "port" and port >= PICKED and visit.packet.protocol in WITH_PORTS:
            values = with_number(table, values, place, port, rule, visit)
    return holds_key(table, values)


def with_number(table: LookUp, values: Key, place: int, port: int, rule: NfRule, visit: Visit) -> Key:
    """The values with a number for a port that was picked at random, one of those that the set tells apart."""
    base = 0 if table.kind == "bitmap" else visit.packet.protocol << 16
    known = {member[place] for _, members in table.by_lengths for member in members}
    ports = {value - base for value in known if isinstance(value, int) and base <= value < base + PICKED}

    def filled(number: int) -> Key:
        return (*values[:place], base | number, *values[place + 1 :])

    cuts = (end for value in ports for end in (value, value + 1))
    return filled(visit.oracle.number(port, cuts, lambda number: holds_key(table, filled(number)), rule.at))


def in_list(table: LookUp, match: SetMatch, rule: NfRule, visit: Visit, depth: int) -> bool | None:
    """ip_set_list_set.c ``list_set_ktest``: the first member set that holds the packet."""
    for name, matches in table.names:
        if look_up(name, match, rule, visit, depth + 1):
            return True if matches else None
    return False


def ask(name: str, match: SetMatch, rule: NfRule, visit: Visit, settle: str) -> bool:
    """Puts it to the oracle."""
    packet = visit.packet
    sides = ",".join(side.value for side in match.sides)
    return visit.oracle.test(f"{visit.place}: the set {name} holds {sides} of {packet}", rule.at, settle)


def key(table: LookUp, match: SetMatch, visit: Visit) -> Key | None:
    """The packet's values for the parts of the set; None where it has none (a protocol without ports)."""
    if len(match.sides) < len(table.parts):
        return None
    values = [value_of(part, side, table, visit) for part, side in zip(table.parts, match.sides, strict=False)]
    return None if any(value is None for value in values) else tuple(value for value in values if value is not None)


def value_of(part: str, side: Side, table: LookUp, visit: Visit) -> int | str | None:
    """One part (ip_set_getport.c for ports; hash:net,iface looks at the in device for ``src``, the out device for ``dst``; a MAC is the received
    frame's, of which nothing sent here has one)."""
    packet, source = visit.packet, side is Side.SOURCE
    match part:
        case "ip" | "net":
            return packet.source if source else packet.destination
        case "port":
            return port_of(table.kind, source, visit)
        case "iface":
            return (visit.at.in_device if source else visit.at.out_device) or None
        case "mac":
            return None if visit.at.local else frame_mac(side, visit)
        case "mark":
            return packet.mark
        case _:
            return None


def port_of(kind: str, source: bool, visit: Visit) -> int | None:
    """A port with its protocol above it; for ICMP type and code. A bitmap has ports of TCP and UDP without their protocol."""
    packet = visit.packet
    if packet.protocol in WITH_PORTS and packet.protocol in (TCP, UDP, SCTP, 136):
        port = packet.source_port if source else packet.destination_port
        if kind == "bitmap":
            return port if packet.protocol in (TCP, UDP) else None
        return packet.protocol << 16 | port
    if kind == "bitmap":
        return None
    if packet.protocol in (ICMP, ICMPV6):
        return packet.protocol << 16 | packet.icmp_type << 8 | packet.icmp_code
    return packet.protocol << 16


Guess = Callable[[Any, NfRule, Visit], bool]
DEFERRED: Mapping[type, Guess] = {
    SetMatch: in_set,
    OwnerMatch: owner,
    StatisticMatch: statistic,
    RecentMatch: recent,
    SocketMatch: socket,
    RateMatch: rate,
    OpenMatch: open_match,
    UnknownMatch: unknown,
    WordMatch: words,
}
