"""A flow through the lowered network, by the plain reading of the language: the same outcomes as the concrete walk's, in short."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

from analyzer.addresses import Address
from analyzer.facts.system import ConnectionFact
from analyzer.model.later_packets import later_answers_differ
from analyzer.model.network import Interface, Network
from analyzer.ranges import Ranges, contains
from analyzer.solve import states
from analyzer.solve.interpreter import Interpreter, State, start
from analyzer.solve.packet import ACK, ICMP, ICMPV6, SYN, TCP, Fate, Packet, Trace
from analyzer.solve.walk.concrete import Flow
from analyzer.solve.walk.delivery import name
from analyzer.solve.walk.netfilter import captured
from analyzer.source import Scope
from analyzer.transfer import ir
from analyzer.transfer.carried import EVERY_PORT, LOCAL_PORTS
from analyzer.transfer.graph import NetworkProgram
from analyzer.transfer.ir import Field
from analyzer.transfer.netfilter.zones import of_zone

ANSWERS = {8: 0, 13: 14, 128: 129}
HEADER = {4: 20, 6: 40}


class End(NamedTuple):
    """One outcome: its fate, who has the packet, the source that it sees, and the reason where there is no reply. ``open``: the language asked something
    on the way that it leaves open by name, so that the outcome is only one that may be."""

    fate: Fate
    at: str | None = None
    source: str | None = None
    reason: str = ""
    open: bool = False


TOLD_APART = (53, 80, 443, 8080, 30085, 40000)
OF_TUNNELS: tuple[Ranges, ...] = (EVERY_PORT, ((LOCAL_PORTS[0], LOCAL_PORTS[1] - 1),))
"""The source ports of a tunnel's packets: a hash of the packet inside picks one, the same for all packets of a connection."""
ANY_SERVICE: Ranges = ((0, 255),)
ELSEWHERE = End(Fate.UNREACHABLE, reason="the reply: from elsewhere")


def some(ranges: Ranges, own: int = 0, place: int = 0) -> Iterable[int]:
    """A few values, or of many (a source port) those that random rules tell apart, and the packet's own."""
    if ranges == ANY_SERVICE:
        return (0, 0x28, 0x20, 0x13)
    values = [value for low, high in ranges[:16] for value in range(low, min(high, low + 16) + 1)]
    if ranges in OF_TUNNELS:
        return values[place : place + 1]
    return values if len(values) <= 16 else [values[0], *(value for value in (*TOLD_APART, own) if contains(ranges, value))]


def fields_of(packet: Packet) -> dict[Field, int]:
    """The fields of a packet as it is sent."""
    return {
        Field.SOURCE: packet.source,
        Field.DESTINATION: packet.destination,
        Field.PROTOCOL: packet.protocol,
        Field.SOURCE_PORT: packet.source_port,
        Field.DESTINATION_PORT: packet.destination_port,
        Field.ICMP_TYPE: packet.icmp_type,
        Field.ICMP_CODE: packet.icmp_code,
        Field.TCP_FLAGS: (packet.tcp_flags or SYN) if packet.protocol == TCP else 0,
        Field.TTL: packet.ttl,
        Field.MARK: packet.mark,
        Field.LENGTH: 0 if packet.size is None else packet.size + HEADER[packet.family],
    }


def value(state: State, field: Field) -> int:
    """A field of a state."""
    return state.env[states.INDEX[field]]


def answer(state: State) -> State:
    """The reply to a packet that was delivered, with the connections that it made."""
    ping, length = value(state, Field.PROTOCOL) in (ICMP, ICMPV6), value(state, Field.LENGTH)
    fields = {
        Field.SOURCE: value(state, Field.DESTINATION),
        Field.DESTINATION: value(state, Field.SOURCE),
        Field.PROTOCOL: value(state, Field.PROTOCOL),
        Field.SOURCE_PORT: value(state, Field.SOURCE_PORT if ping else Field.DESTINATION_PORT),
        Field.DESTINATION_PORT: 0 if ping else value(state, Field.SOURCE_PORT),
        Field.ICMP_TYPE: ANSWERS.get(value(state, Field.ICMP_TYPE), 0),
        Field.TCP_FLAGS: SYN | ACK if value(state, Field.PROTOCOL) == TCP else 0,
        Field.TTL: 64,
        Field.SERVICE: value(state, Field.SERVICE) if ping else 0,
        Field.LENGTH: ir.FRAGMENTS + (length & (ir.FRAGMENTS - 1)) if ping and length else 0,
    }
    return state._replace(env=start(fields).env, frames=(), current=-1)


def outcomes(program: NetworkProgram, flow: Flow) -> set[End]:
    """What becomes of a flow."""
    network, family = program.network, program.family
    machine = Interpreter(program, partial(some, own=flow.packet.source_port))
    sent = start(fields_of(flow.packet))
    if flow.tracked:
        sent = sent._replace(connections=tuple(tracked(network, family)))
    found: set[End] = set()
    for way, state in dict.fromkeys(machine.walk(beginning(program, flow), sent)):
        match way:
            case ir.Deliver(scope):
                packet = Packet(family, value(state, Field.SOURCE), value(state, Field.DESTINATION), 0)
                source = str(Address(family, packet.source))
                ends = replied(machine, program, flow, scope, state)
                found |= {end._replace(at=name(network, scope, packet), source=source) for end in ends}
            case ir.Leave():
                source = str(Address(family, value(state, Field.SOURCE)))
                found.add(End(Fate.REACHABLE, "outside", source, open=bool(state.answers)))
            case ir.Unknown(reason):
                found.add(End(Fate.UNKNOWN, reason=reason))
            case _:
                found.add(End(Fate.UNREACHABLE, reason=getattr(way, "reason", str(way)), open=bool(state.answers)))
    return found


def tracked(network: Network, family: int) -> Iterator[states.Connection[int]]:
    """The connections that the namespaces were captured with, as far as a packet that opens a connection may follow them."""
    for scope, space in sorted(network.namespaces.items()):
        translating = captured.translates(space, family)
        for fact in space.connections if captured.tracks(space, family) else ():
            if fact.original[0].family == family and fact.zone == fact.reply_zone and fact.state not in ("TIME_WAIT", "CLOSE"):
                original, reply = one_way(fact, fact.original), one_way(fact, fact.reply)
                now = states.inverted(reply, fact.protocol in (ICMP, ICMPV6))
                source = (original.source, original.source_port) != (now.source, now.source_port)
                target = (original.destination, original.destination_port) != (now.destination, now.destination_port)
                status = translating * (ir.SNAT_STATUS * source | ir.DNAT_STATUS * target)
                status |= ir.SEEN_REPLY * ("UNREPLIED" not in fact.status)
                yield states.Connection(of_zone(scope, fact.zone), original, reply, fact.mark, status, True, True, True)


def one_way(fact: ConnectionFact, side: tuple[Address, Address, int, int]) -> states.Tuple[int]:
    """One direction of a captured connection."""
    source, destination, first, second = side
    ping = fact.protocol in (ICMP, ICMPV6)
    return states.Tuple(fact.protocol, source.value, second if ping else first, destination.value, 0 if ping else second)


def within(lowered: set[End], told: set[End]) -> bool:
    """Whether what the walk says is among the language's ways, and all of these that the walk does not say hang on a test that is left open by name."""
    return essence({end for end in lowered if not end.open}) <= essence(told) <= essence(lowered)


def beginning(program: NetworkProgram, flow: Flow) -> ir.Point:
    """Where the flow's first packet starts."""
    if isinstance(flow.start, Interface):
        return program.arrival(flow.start)
    if flow.unbound:
        return program.start_unbound(flow.start)
    return program.start(flow.start) if flow.packet.source else program.start_of_host(flow.start)


def replied(machine: Interpreter, program: NetworkProgram, flow: Flow, scope: Scope, state: State) -> set[End]:
    """What becomes of the reply."""
    found: set[End] = set()
    for way, after in dict.fromkeys(machine.walk(program.start(scope), answer(state))):
        match way:
            case ir.Deliver(where) if where == flow.start and value(after, Field.DESTINATION_PORT) == reply_port(flow.packet):
                back = value(after, Field.SOURCE) == flow.packet.destination
                back &= flow.packet.source in (0, value(after, Field.DESTINATION))
                back &= asked_port(flow.packet) in (0, value(after, Field.SOURCE_PORT))
                found |= (
                    opened(machine, program, flow, scope, after, ends(state))
                    if back
                    else {ELSEWHERE._replace(open=bool(after.answers))}
                )
            case ir.Leave() if isinstance(flow.start, Interface):
                back = value(after, Field.SOURCE) == flow.packet.destination
                found |= (
                    opened(machine, program, flow, scope, after, ends(state))
                    if back
                    else {ELSEWHERE._replace(open=bool(after.answers))}
                )
            case ir.Unknown(reason):
                found.add(End(Fate.UNKNOWN, reason="the reply: " + reason))
            case _:
                found.add(
                    End(Fate.UNREACHABLE, reason="the reply: " + getattr(way, "reason", str(way)), open=bool(after.answers))
                )
    return found


def ends(state: State) -> tuple[int, ...]:
    """The addresses and ports of a packet."""
    return tuple(value(state, field) for field in (Field.SOURCE, Field.SOURCE_PORT, Field.DESTINATION, Field.DESTINATION_PORT))


def opened(
    machine: Interpreter, program: NetworkProgram, flow: Flow, scope: Scope, state: State, first: tuple[int, ...]
) -> set[End]:
    """What becomes of TCP's third packet, which must arrive with the addresses and ports of the first."""
    if flow.packet.protocol != TCP:
        return {End(Fate.REACHABLE, open=bool(state.answers))}
    third = answer(state)
    flags = states.INDEX[Field.TCP_FLAGS]
    third = third._replace(env=(*third.env[:flags], ACK, *third.env[flags + 1 :]))
    found: set[End] = set()
    for way, after in dict.fromkeys(machine.walk(beginning(program, flow), third)):
        end = third_end(way, scope, ends(after) == first)._replace(open=bool(after.answers))
        found |= kept_up(machine, program, flow, scope, after) if end.fate is Fate.REACHABLE else {end}
    return found


def kept_up(machine: Interpreter, program: NetworkProgram, flow: Flow, scope: Scope, state: State) -> set[End]:
    """What becomes of the answer in the open connection, which leaves tunnels' ends by another source port than the first answer."""
    if not (later_answers_differ(program.network) or machine.strayed):
        return {End(Fate.REACHABLE, open=bool(state.answers))}
    flags = states.INDEX[Field.TCP_FLAGS]
    later = answer(state)
    later = later._replace(env=(*later.env[:flags], ACK, *later.env[flags + 1 :]))
    second = Interpreter(program, partial(some, own=flow.packet.source_port, place=1))
    return {
        later_end(flow, way, after)._replace(open=bool(after.answers)) for way, after in second.walk(program.start(scope), later)
    }


def later_end(flow: Flow, way: ir.Exit, after: State) -> End:
    """What an exit of a later answer comes to."""
    known = value(after, Field.SOURCE), value(after, Field.DESTINATION)
    ports = value(after, Field.SOURCE_PORT), value(after, Field.DESTINATION_PORT)
    wanted = flow.packet.destination, flow.packet.source or known[1]
    match way:
        case ir.Deliver(where) if where == flow.start:
            right = known == wanted and ports == (flow.packet.destination_port, flow.packet.source_port)
            return End(Fate.REACHABLE) if right else ELSEWHERE
        case ir.Leave() if isinstance(flow.start, Interface):
            return End(Fate.REACHABLE) if known[0] == wanted[0] else ELSEWHERE
        case ir.Unknown(reason):
            return End(Fate.UNKNOWN, reason="the later answer: " + reason)
        case _:
            return End(Fate.UNREACHABLE, reason="the later answer: " + getattr(way, "reason", str(way)))


def third_end(way: ir.Exit, scope: Scope, same: bool) -> End:
    """What an exit of the third packet comes to."""
    match way:
        case ir.Deliver(where) if where == scope:
            return End(Fate.REACHABLE) if same else End(Fate.UNREACHABLE, reason="the third packet: from elsewhere")
        case ir.Unknown(reason):
            return End(Fate.UNKNOWN, reason="the third packet: " + reason)
        case _:
            return End(Fate.UNREACHABLE, reason="the third packet: " + getattr(way, "reason", str(way)))


def reply_port(packet: Packet) -> int:
    """The destination port that the reply must have."""
    return 0 if packet.protocol in (ICMP, ICMPV6) else packet.source_port


def asked_port(packet: Packet) -> int:
    """The source port that the reply must have, or the identifier; 0: any."""
    return packet.source_port if packet.protocol in (ICMP, ICMPV6) else packet.destination_port


def agree(lowered: set[End], told: set[End]) -> bool:
    """Whether both readings say the same. Who listens is not part of the language: there only the receiver and the source are compared."""
    if any(end.reason.startswith("nothing listens") for end in told):
        return {(end.at, end.source) for end in lowered if end.at} == {(end.at, end.source) for end in told if end.at}
    return essence(lowered) == essence(told)


def essence(ends: set[End]) -> set[tuple[Fate, str | None, str | None]]:
    """What must be equal in both readings."""
    return {(end.fate, end.at, end.source) if end.fate is Fate.REACHABLE else (end.fate, None, None) for end in ends}


def walked(trace: Trace) -> set[End]:
    """The outcomes of the concrete walk."""
    return {
        End(item.fate, item.delivered_to, str(item.source_seen) if item.source_seen else None, item.reason)
        for item in trace.outcomes
    }
