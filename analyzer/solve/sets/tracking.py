"""Connections of sets of states: found, made, translated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from analyzer.ranges import Ranges, difference, intersection, single
from analyzer.solve.packet import TCP
from analyzer.solve.sets.regions import Env, Named, State, Value, chosen, compared, divided, narrowed, replaced, stored, values_of
from analyzer.solve.sets.splitting import split
from analyzer.solve.states import (
    ALONE,
    CONNECTION_MARK,
    CONTINUING,
    DESTINATION,
    DESTINATION_PORT,
    DIRECTION,
    FIELDS,
    INDEX,
    OF_CONNECTION,
    OPENING,
    ORIGINAL_DESTINATION,
    ORIGINAL_DESTINATION_PORT,
    ORIGINAL_SOURCE,
    PINGS,
    REQUESTS,
    SOURCE,
    SOURCE_PORT,
    STATE,
    STATUS,
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

IS_UNTRACKED = ir.In(ir.Field.STATE, single(ir.UNTRACKED))
IS_PING = ir.In(ir.Field.PROTOCOL, PINGS)
IS_TCP = ir.In(ir.Field.PROTOCOL, single(TCP))
ASKS = ir.In(ir.Field.ICMP_TYPE, REQUESTS)
CONTINUES = ir.All((IS_TCP, ir.In(ir.Field.TCP_FLAGS, CONTINUING)))
OF_PACKET = tuple(FIELDS[place] for place in TUPLE)
OPENS, OPENS_ALONE = (
    ir.All((ir.Any((ir.Not(IS_PING), ASKS)), ir.Any((ir.Not(IS_TCP), ir.In(ir.Field.TCP_FLAGS, flags)))))
    for flags in (OPENING, ALONE)
)


def cleared(env: Env) -> Env:
    """The fields of the connection are 0."""
    return tuple(0 if i in OF_CONNECTION else value for i, value in enumerate(env))


def is_ping(state: State, protocol: Value) -> bool:
    """Whether the protocol is one with identifiers; sets are never of both kinds once they are tracked."""
    return bool(intersection(values_of(state, protocol), PINGS))


def track(state: State, transfer: ir.Track) -> list[State]:
    """Finds or makes the connection of each packet."""
    untracked: list[State] = []
    tracked: list[State] = []
    split(IS_UNTRACKED, state, untracked, tracked)
    result = [item._replace(current=-1) for item in untracked]
    for item in tracked:
        pings: list[State] = []
        others: list[State] = []
        split(IS_PING, item, pings, others)
        for ping, states in ((True, pings), (False, others)):
            for one in states:
                kept = tuple(own for own in one.connections if own.confirmed)
                result += found_or_made(one._replace(connections=kept, current=-1), transfer, ping)
    return result


def found_or_made(state: State, transfer: ir.Track, ping: bool) -> list[State]:
    """The connections are asked in order; what is in none makes one, or is invalid."""
    result: list[State] = []
    left = [state]
    looked = transfer.scope, transfer.replies or transfer.scope
    for position, own in enumerate(state.connections):
        for direction in (0, 1):
            if own.ends[direction] != looked[direction]:
                continue
            missed: list[State] = []
            for item in left:
                found = belonging(item, position, direction, ping, missed)
                if not direction and not own.status & ir.SEEN_REPLY:
                    found = [one for part in found for one in begun(part, result)]
                result += [joined(one, position, direction) for one in found]
            left = missed
    for item in left:
        opening: list[State] = []
        lost: list[State] = []
        split(OPENS_ALONE if transfer.strict else OPENS, item, opening, lost)
        result += [made(one, transfer, ping) for one in opening]
        result += map(invalid, lost)
    return result


def begun(state: State, result: list[State]) -> list[State]:
    """The packets that a connection without an answer may have; the others, which are invalid, are added to ``result``."""
    early: list[State] = []
    found: list[State] = []
    split(CONTINUES, state, early, found)
    result += map(invalid, early)
    return found


def invalid(state: State) -> State:
    """The packets are of no connection, and open none."""
    return state._replace(env=replaced(cleared(state.env), STATE, ir.INVALID))


def belonging(state: State, position: int, direction: int, ping: bool, missed: list[State]) -> list[State]:
    """The packets with the tuple of one direction of a connection; the others are added to ``missed``."""
    if not possible(state, [state.env[place] for place in TUPLE], position, direction):
        missed.append(state)
        return []
    there = present(state, position, missed)
    if there is None:
        return []
    state = there
    held = [state]
    if ping:
        held = []
        split(ASKS if direction == 0 else ir.Not(ASKS), state, held, missed)
    return equals(held, OF_PACKET, position, direction, missed)


def equals(
    held: list[State], values: Sequence[int | ir.Field], position: int, direction: int, missed: list[State]
) -> list[State]:
    """The states in which these values are those of one direction of a connection; the others are added to ``missed``."""
    for place, one in enumerate(values):
        equal: list[State] = []
        for item in held:
            own = item.env[INDEX[one]] if isinstance(one, ir.Field) else one
            same, other = compared(item, own, side(item, position, direction)[place])
            equal += [same] if same is not None else []
            missed += [other] if other is not None else []
        held = equal
    return held


def recalled(state: State, scope: Scope, values: Sequence[int | ir.Field]) -> tuple[list[State], list[State]]:
    """The states in which a namespace remembers these values, and those in which it does not."""
    found: list[State] = []
    left = [state]
    for position, own in enumerate(state.connections):
        if own.scope == scope:
            missed: list[State] = []
            there = [one for item in left if (one := present(item, position, missed)) is not None]
            found += equals(there, values, position, 0, missed)
            left = missed
    return found, left


def noted(state: State, scope: Scope, values: Sequence[int | ir.Field]) -> list[State]:
    """The states with these values remembered."""
    found, left = recalled(state, scope, values)
    for item in left:
        pair = Tuple(*(item.env[INDEX[one]] if isinstance(one, ir.Field) else one for one in values))
        own: Connection[Value] = remembered(scope, pair, 0)
        found.append(item._replace(connections=(*item.connections, own)))
    return found


def present(state: State, position: int, missed: list[State]) -> State | None:
    """The states in which the connection is there; the others are added to ``missed``."""
    for name, ranges in state.connections[position].guards:
        own = values_of(state, name)
        held = intersection(own, ranges)
        inside, without = divided(state, name, held) if held != own else (state, None)
        missed += [without] if without is not None else []
        if inside is None:
            return None
        state = inside
    return state


def side(state: State, position: int, direction: int) -> Tuple[Value]:
    """The tuple of one direction."""
    own = state.connections[position]
    return own.reply if direction else own.original


def possible(state: State, own: Sequence[Value], position: int, direction: int) -> bool:
    """Whether a tuple has values in common with one direction of a connection."""
    pairs = zip(own, side(state, position, direction), strict=True)
    return all(left == right or intersection(values_of(state, left), values_of(state, right)) for left, right in pairs)


def joined(state: State, position: int, direction: int) -> State:
    """The packets belong to a connection."""
    own = state.connections[position]
    if direction:
        own = own._replace(status=own.status | ir.SEEN_REPLY)
    env = list(state.env)
    env[STATE] = ir.ESTABLISHED if own.status & ir.SEEN_REPLY else ir.NEW
    env[STATUS] = own.status | (ir.CONFIRMED if own.confirmed else 0)
    env[CONNECTION_MARK], env[DIRECTION] = own.mark, direction
    env[ORIGINAL_SOURCE], env[ORIGINAL_DESTINATION] = own.original.source, own.original.destination
    env[ORIGINAL_DESTINATION_PORT] = own.original.destination_port
    return stored(state._replace(env=tuple(env), current=position), own)


def made(state: State, transfer: ir.Track, ping: bool) -> State:
    """The packets open a connection."""
    pair = Tuple(*(state.env[place] for place in TUPLE))
    own: Connection[Value] = Connection(transfer.scope, pair, inverted(pair, ping), 0, replies=transfer.replies)
    return joined(state._replace(connections=(*state.connections, own)), len(state.connections), 0)


def confirmed(state: State, scope: Scope) -> State:
    """The packets' connection is kept."""
    if state.current < 0 or state.connections[state.current].scope != scope:
        return state
    return stored(state, state.connections[state.current]._replace(confirmed=True))


def decide(state: State, destination: bool) -> State:
    """This side of the connection is settled."""
    own = state.connections[state.current]
    return stored(state, own._replace(destination_decided=True) if destination else own._replace(source_decided=True))


def freed(state: State, clashing: list[State]) -> list[State]:
    """The states in which no other connection has the tuple of the answers of the packets' own; the others are added to ``clashing``."""
    own = state.connections[state.current]
    left = [state]
    for position, other in enumerate(state.connections):
        if position == state.current:
            continue
        there, back = own.clashing(other)
        for direction in [0] * (there and not is_ping(state, own.original.protocol)) + [1] * back:
            missed: list[State] = []
            for item in left:
                clashing += same_tuples(item, position, direction, missed)
            left = missed
    return left


def same_tuples(state: State, position: int, direction: int, missed: list[State]) -> list[State]:
    """The states in which the answers of the packets' connection are one direction of another; the others are added to ``missed``."""
    if not possible(state, state.connections[state.current].reply, position, direction):
        missed.append(state)
        return []
    there = present(state, position, missed)
    held = [there] if there is not None else []
    for place in range(len(TUPLE)):
        equal: list[State] = []
        for item in held:
            mine = item.connections[item.current].reply[place]
            same, other = compared(item, mine, side(item, position, direction)[place])
            equal += [same] if same is not None else []
            missed += [other] if other is not None else []
        held = equal
    return held


def aged(state: State) -> State:
    """The states with their connections marked as those of earlier packets."""
    older = tuple(own._replace(status=own.status | ir.EARLIER) for own in state.connections)
    return state._replace(connections=older)


def anew(state: State) -> bool:
    """Whether the packets were translated by a connection that they opened themselves, unlike earlier ones of theirs."""
    both = ir.SNAT_STATUS | ir.DNAT_STATUS
    return any(own.status & both and not own.status & ir.EARLIER for own in state.connections)


class Change(NamedTuple):
    """A translation, as ``ir.Rewrite``, to what some states have already."""

    destination: bool
    addresses: Ranges | Named | None
    ports: Ranges | Named | None
    status: int = ir.DNAT_STATUS


def rewritten(state: State, transfer: ir.Rewrite | Change) -> list[State]:
    """The translations of the connection that may be made. To its own address and port is none (nf_nat_setup_info of nf_nat_core.c)."""
    if state.current < 0:
        return [state]
    if transfer.ports is None:
        return address_rewritten(state, transfer)
    protocol = state.env[TUPLE[0]]
    own = values_of(state, protocol)
    ported = intersection(own, WITH_PORTS) or (is_ping(state, protocol) and not transfer.destination)
    if not ported:
        return address_rewritten(state, transfer)
    if isinstance(protocol, str) and intersection(own, WITH_PORTS) and intersection(own, WITH_PORTS) != own:
        return by_ports(state, transfer, protocol)
    found = chosen(state, transfer.ports)
    return address_rewritten(found[0], transfer, found[1]) if found is not None else []


def by_ports(state: State, transfer: ir.Rewrite | Change, protocol: str) -> list[State]:
    """Protocols with ports and those without, apart."""
    own = values_of(state, protocol)
    parts = (intersection(own, WITH_PORTS), difference(own, WITH_PORTS))
    states = (narrowed(state, protocol, ranges) for ranges in parts)
    return [after for item in states if item is not None for after in rewritten(item, transfer)]


def address_rewritten(state: State, transfer: ir.Rewrite | Change, port: Value | None = None) -> list[State]:
    """The address (and the port, where one was chosen) is translated."""
    place, port_place = (DESTINATION, DESTINATION_PORT) if transfer.destination else (SOURCE, SOURCE_PORT)
    old = state.env[place]
    new: Value = old
    if transfer.addresses is not None:
        found = chosen(state, transfer.addresses)
        if found is None:
            return []
        state, new = found
    port = state.env[port_place] if port is None else port
    same, other = compared(state, old, new)
    result = [translated(other, transfer, new, port)] if other is not None else []
    kept, moved = compared(same, same.env[port_place], port) if same is not None else (None, None)
    result += [translated(moved, transfer, moved.env[place], port)] if moved is not None else []
    return [kept, *result] if kept is not None else result


def translated(state: State, transfer: ir.Rewrite | Change, address: Value, port: Value) -> State:
    """The packets and their connection with one side translated."""
    place, port_place = (DESTINATION, DESTINATION_PORT) if transfer.destination else (SOURCE, SOURCE_PORT)
    own = state.connections[state.current]
    status = own.status | (status_of(transfer) if isinstance(transfer, ir.Rewrite) else transfer.status)
    env = replaced(replaced(replaced(state.env, place, address), port_place, port), STATUS, status)
    sent = Tuple(*(env[position] for position in TUPLE))
    ping = is_ping(state, own.original.protocol)
    return stored(state._replace(env=env), own._replace(status=status, reply=inverted(sent, ping)))


def retraced(state: State) -> State:
    """The packets of a balanced connection go to the real server."""
    own = state.connections[state.current] if state.current >= 0 else None
    if own is None or not own.status & ir.BALANCED_STATUS:
        return state
    target = inverted(own.reply, is_ping(state, own.original.protocol))
    env = replaced(replaced(state.env, DESTINATION, target.destination), DESTINATION_PORT, target.destination_port)
    return state._replace(env=env)


def manipulated(state: State, destination: bool, reply: bool) -> State:
    """The packets as their connection wants them (nf_nat_packet of nf_nat_core.c; icmp_manip_pkt for the identifier)."""
    own = state.connections[state.current]
    wanted = ir.DNAT_STATUS if destination != reply else ir.SNAT_STATUS
    if not own.status & wanted:
        return state
    ping = is_ping(state, own.original.protocol)
    target = inverted(own.original if reply else own.reply, ping)
    if destination:
        env = replaced(replaced(state.env, DESTINATION, target.destination), DESTINATION_PORT, target.destination_port)
        env = replaced(env, SOURCE_PORT, target.source_port) if ping else env
    else:
        env = replaced(replaced(state.env, SOURCE, target.source), SOURCE_PORT, target.source_port)
    return state._replace(env=env)
