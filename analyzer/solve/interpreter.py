"""The plainest reading of the language: one state, all exits. The reference that tests hold the other engines against."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from analyzer.ranges import Ranges, contains, size
from analyzer.solve.packet import ICMP, ICMPV6, TCP
from analyzer.solve.states import (
    ALONE,
    CONNECTION_MARK,
    CONTINUING,
    DESTINATION,
    DESTINATION_PORT,
    DIRECTION,
    FIELDS,
    HOPS,
    ICMP_TYPE,
    INDEX,
    MARK,
    NO_PAYLOAD,
    OF_CONNECTION,
    OPENING,
    ORIGINAL_DESTINATION,
    ORIGINAL_DESTINATION_PORT,
    ORIGINAL_SOURCE,
    PROTOCOL,
    REQUESTS,
    SOURCE,
    SOURCE_PORT,
    STATE,
    STATUS,
    TAKEN,
    TCP_FLAGS,
    TUPLE,
    WITH_PORTS,
    Connection,
    Tuple,
    inverted,
    remembered,
    status_of,
)
from analyzer.source import Scope
from analyzer.transfer import ir

Env = tuple[int, ...]


class State(NamedTuple):
    """A value for each field (in the order of ``FIELDS``), the packets around which this one is wrapped, the connections, the
    position of the packet's own connection (-1: none) and the answers to opaque tests."""

    env: Env
    frames: tuple[Env, ...] = ()
    connections: tuple[Connection[int], ...] = ()
    current: int = -1
    answers: frozenset[tuple[str, bool]] = frozenset()


Result = tuple[ir.Exit | None, State]
Results = Iterator[Result]


def start(values: dict[ir.Field, int]) -> State:
    """A state with these fields; all others are 0."""
    return State(tuple(values.get(field, 0) for field in FIELDS))


def every(ranges: Ranges) -> Iterable[int]:
    """All values of the ranges; ValueError for more than 4,096."""
    if size(ranges) > 4096:
        raise ValueError("too many values to take one by one")
    return (value for low, high in ranges for value in range(low, high + 1))


class Interpreter:
    """Runs transfers of a program. ``choose`` gives the values that are taken where any of some ranges may be.
    ``strayed``: a packet was INVALID."""

    def __init__(self, program: ir.Program, choose: Callable[[Ranges], Iterable[int]] = every, hops: int = HOPS) -> None:
        self.program = program
        self.choose = choose
        self.hops = hops
        self.strayed = False

    def walk(self, point: ir.Point, state: State) -> Iterator[tuple[ir.Exit, State]]:
        """Every way from a point to an exit that is not ``Goto``. After ``hops`` points a packet is taken to go in circles."""
        waiting = [(point, state, 0)]
        while waiting:
            place, state, hops = waiting.pop()
            if hops > self.hops:
                yield ir.Drop("the packet goes in circles"), state
                continue
            for way, after in self.run(self.program.at(place), state):
                if isinstance(way, ir.Goto):
                    waiting.append((way.point, after, hops + 1))
                else:
                    yield way or ir.Return(), after

    def run(self, transfer: ir.Transfer, state: State) -> Results:
        """The states that may follow, each with its exit; None: it continues."""
        match transfer:
            case ir.If():
                for holds, after in self.test(transfer.match, state):
                    yield from self.run(transfer.then if holds else transfer.otherwise, after)
            case ir.IfNoted(scope, values, then, otherwise):
                own = entry(state, scope, values)
                yield from self.run(then if own in state.connections else otherwise, state)
            case ir.Seq():
                yield from self.sequence(transfer.parts, state)
            case ir.Table():
                yield from self.sequence(tuple(transfer.parts), state)
            case ir.Alt():
                for branch in transfer.branches:
                    yield from self.run(branch, state)
            case ir.Call() | ir.Hook():
                inner = self.program.at(transfer.point) if isinstance(transfer, ir.Call) else transfer.body
                ends = ir.Return if isinstance(transfer, ir.Call) else ir.Accept
                for way, after in self.run(inner, state):
                    yield (None if isinstance(way, ends) else way), after
            case ir.End():
                yield transfer.exit, state
            case ir.Translate():
                yield from self.translate(transfer, state)
            case ir.Rewrite():
                for after in self.rewrite(transfer, state):
                    yield ir.Accept(), after
            case ir.Decapsulate(marked):
                yield decapsulated(state, marked) if state.frames else (NO_PAYLOAD, state)
            case _:
                for after in self.step(transfer, state):
                    yield None, after

    def sequence(self, parts: tuple[ir.Transfer, ...], state: State) -> Results:
        """One part after the other, while they continue."""
        if not parts:
            yield None, state
            return
        for way, after in self.run(parts[0], state):
            if way is None:
                yield from self.sequence(parts[1:], after)
            else:
                yield way, after

    def step(
        self,
        transfer: ir.Assign
        | ir.Copy
        | ir.SetBits
        | ir.Merge
        | ir.Choose
        | ir.Track
        | ir.Note
        | ir.Retrace
        | ir.Confirm
        | ir.Encapsulate,
        state: State,
    ) -> Iterator[State]:
        """What always continues."""
        env = state.env
        match transfer:
            case ir.Assign(field, value):
                yield put(state, field, value)
            case ir.Copy(field, origin):
                yield put(state, field, env[INDEX[origin]])
            case ir.SetBits(field, mask, value):
                yield put(state, field, (env[INDEX[field]] & ~mask) ^ value)
            case ir.Merge(field, field_mask, origin, origin_mask):
                yield put(state, field, (env[INDEX[field]] & ~field_mask) ^ (env[INDEX[origin]] & origin_mask))
            case ir.Choose(field, ranges):
                yield from (put(state, field, value) for value in self.choose(ranges))
            case ir.Track():
                after = track(state, transfer)
                self.strayed |= after.env[STATE] == ir.INVALID
                yield after
            case ir.Note(scope, values):
                own = entry(state, scope, values)
                yield state if own in state.connections else state._replace(connections=(*state.connections, own))
            case ir.Retrace():
                yield retraced(state)
            case ir.Confirm(scope):
                yield confirmed(state, scope)
            case ir.Encapsulate(fields):
                yield from self.encapsulate(fields, state)

    def encapsulate(self, fields: tuple[tuple[ir.Field, Ranges], ...], state: State) -> Iterator[State]:
        """The outer packets that may be made."""
        inner = State(tuple(state.env[MARK] if i == MARK else 0 for i in range(len(FIELDS))))
        made = [inner]
        for field, ranges in fields:
            made = [put(item, field, value) for item in made for value in self.choose(ranges)]
        for item in made:
            yield State(item.env, (*state.frames, state.env), state.connections, -1, state.answers)

    def test(self, match: ir.Match, state: State) -> Iterator[tuple[bool, State]]:
        """Whether the match holds; both, where nobody knows."""
        match match:
            case ir.In(field, ranges):
                yield contains(ranges, state.env[INDEX[field]]), state
            case ir.Bits(field, mask, value):
                yield state.env[INDEX[field]] & mask == value, state
            case ir.Opaque(text):
                known = [answer for asked, answer in state.answers if asked == text]
                for answer in known or (True, False):
                    yield answer, state._replace(answers=state.answers | {(text, answer)})
            case ir.Belongs(scope, replies):
                yield state.current >= 0 and state.connections[state.current].ends == (scope, replies), state
            case ir.Not(inner):
                for holds, after in self.test(inner, state):
                    yield not holds, after
            case ir.All(matches):
                yield from self.all(matches, state)
            case ir.Any(matches):
                for holds, after in self.all(tuple(ir.Not(item) for item in matches), state):
                    yield not holds, after

    def all(self, matches: tuple[ir.Match, ...], state: State) -> Iterator[tuple[bool, State]]:
        """Whether every match holds, asked in order until one does not."""
        if not matches:
            yield True, state
            return
        for holds, after in self.test(matches[0], state):
            if holds:
                yield from self.all(matches[1:], after)
            else:
                yield False, after

    def translate(self, transfer: ir.Translate, state: State) -> Results:
        """Address translation at one hook."""
        if state.current < 0:
            yield None, state
            return
        own = state.connections[state.current]
        decided = own.destination_decided if transfer.destination else own.source_decided
        if state.env[DIRECTION] or decided or own.confirmed:
            yield None, manipulated(state, transfer.destination)
            return
        for way, after in self.run(transfer.rules, state):
            if way is None or isinstance(way, ir.Accept):
                yield (TAKEN, after) if not transfer.destination and taken(after) else (None, decide(after, transfer.destination))
            else:
                yield way, after

    def rewrite(self, transfer: ir.Rewrite, state: State) -> Iterator[State]:
        """The translations of a new connection that may be made. To its own address and port is none (nf_nat_setup_info of nf_nat_core.c)."""
        if state.current < 0:
            yield state
            return
        at, port_at = (DESTINATION, DESTINATION_PORT) if transfer.destination else (SOURCE, SOURCE_PORT)
        env, protocol = state.env, state.env[PROTOCOL]
        ported = contains(WITH_PORTS, protocol) or (protocol in (ICMP, ICMPV6) and not transfer.destination)
        for address in (env[at],) if transfer.addresses is None else self.choose(transfer.addresses):
            for port in (env[port_at],) if transfer.ports is None or not ported else self.choose(transfer.ports):
                if (address, port) == (env[at], env[port_at]):
                    yield state
                else:
                    yield translated(state, transfer, address, port)


def entry(state: State, scope: Scope, values: tuple[int | ir.Field, ...]) -> Connection[int]:
    """What a namespace remembers of these values."""
    return remembered(scope, Tuple(*(state.env[INDEX[one]] if isinstance(one, ir.Field) else one for one in values)), 0)


def replaced(env: Env, position: int, value: int) -> Env:
    """The fields with another value at one position."""
    return (*env[:position], value, *env[position + 1 :])


def stored(state: State, own: Connection[int]) -> State:
    """The state with the packet's connection changed."""
    connections = (*state.connections[: state.current], own, *state.connections[state.current + 1 :])
    return state._replace(connections=connections)


def put(state: State, field: ir.Field, value: int) -> State:
    """The field gets a value; the mark of the connection is the connection's too."""
    after = state._replace(env=replaced(state.env, INDEX[field], value))
    if INDEX[field] == CONNECTION_MARK and state.current >= 0:
        return stored(after, state.connections[state.current]._replace(mark=value))
    return after


def track(state: State, transfer: ir.Track) -> State:
    """Finds or makes the packet's connection."""
    if state.env[STATE] == ir.UNTRACKED:
        return state._replace(current=-1)
    kept = tuple(item for item in state.connections if item.confirmed)
    own = Tuple(*(state.env[position] for position in TUPLE))
    ping = own.protocol in (ICMP, ICMPV6)
    request = not ping or contains(REQUESTS, state.env[ICMP_TYPE])
    replies = transfer.replies or transfer.scope
    for position, item in enumerate(kept):
        if item.original == own and item.scope == transfer.scope and request:
            early = own.protocol == TCP and not item.status & ir.SEEN_REPLY and contains(CONTINUING, state.env[TCP_FLAGS])
            return invalid(state, kept) if early else joined(state, kept, position, 0)
        if item.reply == own and item.ends[1] == replies and not (ping and request):
            seen = item._replace(status=item.status | ir.SEEN_REPLY)
            return joined(state, (*kept[:position], seen, *kept[position + 1 :]), position, 1)
    if not request or (own.protocol == TCP and not contains(ALONE if transfer.strict else OPENING, state.env[TCP_FLAGS])):
        return invalid(state, kept)
    new = Connection(transfer.scope, own, inverted(own, ping), 0, replies=transfer.replies)
    return joined(state, (*kept, new), len(kept), 0)


def invalid(state: State, kept: tuple[Connection[int], ...]) -> State:
    """The packet is of no connection, and opens none."""
    return state._replace(env=replaced(without_connection(state.env), STATE, ir.INVALID), connections=kept, current=-1)


def joined(state: State, connections: tuple[Connection[int], ...], position: int, direction: int) -> State:
    """The packet belongs to a connection."""
    own = connections[position]
    env = list(state.env)
    env[STATE] = ir.ESTABLISHED if own.status & ir.SEEN_REPLY else ir.NEW
    env[STATUS] = own.status | (ir.CONFIRMED if own.confirmed else 0)
    env[CONNECTION_MARK], env[DIRECTION] = own.mark, direction
    env[ORIGINAL_SOURCE], env[ORIGINAL_DESTINATION] = own.original.source, own.original.destination
    env[ORIGINAL_DESTINATION_PORT] = own.original.destination_port
    return state._replace(env=tuple(env), connections=connections, current=position)


def without_connection(env: Env) -> Env:
    """The fields of the connection are 0."""
    return tuple(0 if position in OF_CONNECTION else value for position, value in enumerate(env))


def decapsulated(state: State, marked: bool) -> Result:
    """The payload is the packet again."""
    inner = replaced(without_connection(state.frames[-1]), MARK, state.env[MARK] if marked else 0)
    return None, state._replace(env=inner, frames=state.frames[:-1], current=-1)


def confirmed(state: State, scope: Scope) -> State:
    """The packet's connection is kept."""
    if state.current < 0 or state.connections[state.current].scope != scope:
        return state
    return stored(state, state.connections[state.current]._replace(confirmed=True))


def taken(state: State) -> bool:
    """Whether another connection has the tuple of the answers of the packet's own."""
    own = state.connections[state.current]
    ping = own.original.protocol in (ICMP, ICMPV6)
    for item in (item for place, item in enumerate(state.connections) if place != state.current):
        there, back = own.clashing(item)
        if (back and own.reply == item.reply) or (there and not ping and own.reply == item.original):
            return True
    return False


def decide(state: State, destination: bool) -> State:
    """This side of the connection is settled."""
    own = state.connections[state.current]
    return stored(state, own._replace(destination_decided=True) if destination else own._replace(source_decided=True))


def translated(state: State, transfer: ir.Rewrite, address: int, port: int) -> State:
    """The packet and its connection with one side translated."""
    at, port_at = (DESTINATION, DESTINATION_PORT) if transfer.destination else (SOURCE, SOURCE_PORT)
    own = state.connections[state.current]
    ping = own.original.protocol in (ICMP, ICMPV6)
    status = own.status | status_of(transfer)
    env = replaced(replaced(replaced(state.env, at, address), port_at, port), STATUS, status)
    sent = Tuple(*(env[position] for position in TUPLE))
    return stored(state._replace(env=env), own._replace(status=status, reply=inverted(sent, ping)))


def retraced(state: State) -> State:
    """The packet of a balanced connection goes to the real server."""
    own = state.connections[state.current] if state.current >= 0 else None
    if own is None or not own.status & ir.BALANCED_STATUS:
        return state
    target = inverted(own.reply, own.original.protocol in (ICMP, ICMPV6))
    env = replaced(replaced(state.env, DESTINATION, target.destination), DESTINATION_PORT, target.destination_port)
    return state._replace(env=env)


def manipulated(state: State, destination: bool) -> State:
    """The packet as its connection wants it (nf_nat_packet of nf_nat_core.c; icmp_manip_pkt for the identifier)."""
    own, direction = state.connections[state.current], state.env[DIRECTION]
    wanted = ir.DNAT_STATUS if destination != bool(direction) else ir.SNAT_STATUS
    if not own.status & wanted:
        return state
    ping = own.original.protocol in (ICMP, ICMPV6)
    target = inverted(own.original if direction else own.reply, ping)
    if destination:
        env = replaced(replaced(state.env, DESTINATION, target.destination), DESTINATION_PORT, target.destination_port)
        env = replaced(env, SOURCE_PORT, target.source_port) if ping else env
    else:
        env = replaced(replaced(state.env, SOURCE, target.source), SOURCE_PORT, target.source_port)
    return state._replace(env=env)
