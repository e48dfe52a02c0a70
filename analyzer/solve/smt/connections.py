"""Connections of guarded states: found, made, translated. Part of ``symbolic``, without z3 of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from analyzer.ranges import single
from analyzer.solve import states as at
from analyzer.solve.packet import TCP
from analyzer.solve.smt.ways import Env, Value, Way, stored
from analyzer.source import Scope
from analyzer.transfer import ir

if TYPE_CHECKING:
    from analyzer.solve.smt.symbolic import Encoder

IS_PING = ir.In(ir.Field.PROTOCOL, at.PINGS)
HAS_PORTS = ir.In(ir.Field.PROTOCOL, at.WITH_PORTS)
ASKS = ir.In(ir.Field.ICMP_TYPE, at.REQUESTS)
NOT_TRACKED = ir.In(ir.Field.STATE, single(ir.UNTRACKED))
FORWARD = ir.In(ir.Field.DIRECTION, single(0))
IS_TCP = ir.In(ir.Field.PROTOCOL, single(TCP))
CONTINUES = ir.All((IS_TCP, ir.In(ir.Field.TCP_FLAGS, at.CONTINUING)))
BREAKS_IN, NOT_ALONE = (
    ir.Any((ir.All((IS_PING, ir.Not(ASKS))), ir.All((IS_TCP, ir.Not(ir.In(ir.Field.TCP_FLAGS, flags))))))
    for flags in (at.OPENING, at.ALONE)
)


def of_packet(env: Env) -> at.Tuple[Value]:
    """The packet's own tuple."""
    return at.Tuple(*(env[position] for position in at.TUPLE))


def track(engine: Encoder, transfer: ir.Track, way: Way) -> list[Way]:
    """Finds or makes the packet's connection."""
    untracked, rest = engine.branch(NOT_TRACKED, way)
    result = [untracked._replace(current=-1)] if untracked is not None else []
    if rest is None:
        return result
    rest = rest._replace(connections=tuple(item for item in rest.connections if item.confirmed), current=-1)
    for ping, one in zip((True, False), engine.branch(IS_PING, rest), strict=True):
        result += find(engine, transfer, one, ping) if one is not None else []
    return result


def own_values(values: Sequence[int | ir.Field], way: Way) -> at.Tuple[Value]:
    """Numbers, and what fields have."""
    return at.Tuple(*(way.env[at.INDEX[one]] if isinstance(one, ir.Field) else one for one in values))


def recalled(engine: Encoder, scope: Scope, values: Sequence[int | ir.Field], way: Way) -> tuple[Way | None, Way | None]:
    """The way where the namespace remembers the values, and where not."""
    own = own_values(values, way)
    entries = [item.original for item in way.connections if item.scope == scope]
    each = [
        engine.formulas.joined([engine.formulas.same(way, *pair) for pair in zip(own, entry, strict=True)], True)
        for entry in entries
    ]
    return engine.fork(way, engine.formulas.joined(each, False))


def noted(engine: Encoder, scope: Scope, values: Sequence[int | ir.Field], way: Way) -> list[Way]:
    """The way with the values remembered."""
    found, left = recalled(engine, scope, values, way)
    new: at.Connection[Value] = at.remembered(scope, own_values(values, way), 0)
    more = [left._replace(connections=(*left.connections, new))] if left is not None else []
    return [*([found] if found is not None else []), *more]


def find(engine: Encoder, transfer: ir.Track, way: Way, ping: bool) -> list[Way]:
    """Each connection of the namespace in turn, then a new one."""
    result: list[Way] = []
    left: Way | None = way
    looked = transfer.scope, transfer.replies or transfer.scope
    for position, item in enumerate(way.connections):
        for reply, pair in ((False, item.original), (True, item.reply)):
            if left is None or item.ends[reply] != looked[reply]:
                continue
            parts = [engine.formulas.same(left, mine, other) for mine, other in zip(of_packet(left.env), pair, strict=True)]
            parts += [engine.formulas.of(ir.Not(ASKS) if reply else ASKS, left)] if ping else []
            found, left = engine.fork(left, engine.formulas.joined(parts, True))
            if found is not None and not reply and not item.status & ir.SEEN_REPLY:
                early, found = engine.branch(CONTINUES, found)
                result += [without(early)] if early is not None else []
            result += [join(found, position, reply)] if found is not None else []
    if left is None:
        return result
    invalid, fresh = engine.branch(NOT_ALONE if transfer.strict else BREAKS_IN, left)
    result += [without(invalid)] if invalid is not None else []
    return result + ([opened(fresh, transfer, ping)] if fresh is not None else [])


def without(way: Way) -> Way:
    """An invalid packet: it has no connection."""
    env = [0 if position in at.OF_CONNECTION else value for position, value in enumerate(way.env)]
    env[at.STATE] = ir.INVALID
    return way._replace(env=tuple(env))


def opened(way: Way, transfer: ir.Track, ping: bool) -> Way:
    """A new connection."""
    pair = of_packet(way.env)
    own: at.Connection[Value] = at.Connection(transfer.scope, pair, at.inverted(pair, ping), 0, replies=transfer.replies)
    return join(way._replace(connections=(*way.connections, own)), len(way.connections), False)


def join(way: Way, position: int, reply: bool) -> Way:
    """The packet gets the fields of a connection."""
    own = way.connections[position]
    own = own._replace(status=own.status | (ir.SEEN_REPLY if reply else 0))
    values: dict[int, Value] = {
        at.STATE: ir.ESTABLISHED if own.status & ir.SEEN_REPLY else ir.NEW,
        at.STATUS: own.status | (ir.CONFIRMED if own.confirmed else 0),
        at.CONNECTION_MARK: own.mark,
        at.DIRECTION: int(reply),
        at.ORIGINAL_SOURCE: own.original.source,
        at.ORIGINAL_DESTINATION: own.original.destination,
        at.ORIGINAL_DESTINATION_PORT: own.original.destination_port,
    }
    env = tuple(values.get(place, value) for place, value in enumerate(way.env))
    return stored(way._replace(env=env, current=position), own)


def confirmed(way: Way, scope: Scope) -> Way:
    """The packet's connection is kept."""
    if way.current < 0 or way.connections[way.current].scope != scope:
        return way
    return stored(way, way.connections[way.current]._replace(confirmed=True))


def translate(engine: Encoder, transfer: ir.Translate, way: Way) -> list[tuple[ir.Exit | None, Way]]:
    """Address translation at one hook."""
    if way.current < 0:
        return [(None, way)]
    own = way.connections[way.current]
    settled = own.confirmed or (own.destination_decided if transfer.destination else own.source_decided)
    request, reply = engine.branch(FORWARD, way)
    result: list[tuple[ir.Exit | None, Way]] = []
    if reply is not None:
        result += [(None, after) for after in applied(engine, reply, transfer.destination, True)]
    if request is not None and settled:
        result += [(None, after) for after in applied(engine, request, transfer.destination, False)]
    elif request is not None:
        left = engine.inside(transfer.rules, request, ir.Accept())
        result += [item for item in left if item[0] is not None]
        for after in (after for exit, after in left if exit is None):
            clash, free = (None, after) if transfer.destination else taken(engine, after)
            result += [(at.TAKEN, clash)] if clash is not None else []
            result += [(None, settle(free, transfer.destination))] if free is not None else []
    return result


def taken(engine: Encoder, way: Way) -> tuple[Way | None, Way | None]:
    """The way where another connection has the tuple of the answers of the packet's own, and where none has."""
    own = way.connections[way.current]
    others = [(item, own.clashing(item)) for place, item in enumerate(way.connections) if place != way.current]
    tuples = [pair for item, on in others for pair, there in zip((item.original, item.reply), on, strict=True) if there]
    same = engine.formulas.same
    each = [engine.formulas.joined([same(way, *one) for one in zip(own.reply, pair, strict=True)], True) for pair in tuples]
    return engine.fork(way, engine.formulas.joined(each, False)) if each else (None, way)


def settle(way: Way, destination: bool) -> Way:
    """This side of the connection is decided."""
    own = way.connections[way.current]
    return stored(way, own._replace(destination_decided=True) if destination else own._replace(source_decided=True))


def by_ping(engine: Encoder, way: Way) -> list[tuple[bool, Way]]:
    """The way, apart for connections with an identifier and without."""
    protocol = way.connections[way.current].original.protocol
    probe = way._replace(env=(*way.env[: at.PROTOCOL], protocol, *way.env[at.PROTOCOL + 1 :]))
    parts = zip((True, False), engine.branch(IS_PING, probe), strict=True)
    return [(ping, part._replace(env=way.env)) for ping, part in parts if part is not None]


def applied(engine: Encoder, way: Way, destination: bool, reply: bool) -> list[Way]:
    """The packet as its connection was translated; the replies the other way round."""
    own = way.connections[way.current]
    if not own.status & (ir.DNAT_STATUS if destination != reply else ir.SNAT_STATUS):
        return [way]
    result = []
    for ping, part in by_ping(engine, way):
        target = at.inverted(own.original if reply else own.reply, ping)
        wanted = (target.destination, target.destination_port) if destination else (target.source, target.source_port)
        env = with_side(part.env, destination, *wanted)
        if destination and ping:
            env = with_side(env, False, env[at.SOURCE], target.source_port)
        result.append(part._replace(env=env))
    return result


def retraced(engine: Encoder, way: Way) -> list[Way]:
    """The packet of a balanced connection goes to the real server."""
    own = way.connections[way.current] if way.current >= 0 else None
    if own is None or not own.status & ir.BALANCED_STATUS:
        return [way]
    targets = [(part, at.inverted(own.reply, ping)) for ping, part in by_ping(engine, way)]
    return [part._replace(env=with_side(part.env, True, to.destination, to.destination_port)) for part, to in targets]


def with_side(env: Env, destination: bool, address: Value, port: Value) -> Env:
    """The fields with another source or destination."""
    places = (at.DESTINATION, at.DESTINATION_PORT) if destination else (at.SOURCE, at.SOURCE_PORT)
    values = dict(zip(places, (address, port), strict=True))
    return tuple(values.get(place, value) for place, value in enumerate(env))


def rewrite(engine: Encoder, transfer: ir.Rewrite, way: Way) -> list[Way]:
    """The translations that may be made; to its own address and port is none."""
    if way.current < 0:
        return [way]
    if transfer.addresses == () or (transfer.ports == () and engine.formulas.of(HAS_PORTS, way) is True):
        return []
    place, port_place = (at.DESTINATION, at.DESTINATION_PORT) if transfer.destination else (at.SOURCE, at.SOURCE_PORT)
    address: Value = way.env[place]
    if transfer.addresses is not None:
        way, address = engine.chosen(way, transfer.addresses)
    if transfer.ports is None:
        return moved(engine, way, transfer, address, way.env[port_place])
    ported = HAS_PORTS if transfer.destination else ir.Any((HAS_PORTS, IS_PING))
    with_ports, without_ports = engine.branch(ported, way)
    result = [] if without_ports is None else moved(engine, without_ports, transfer, address, way.env[port_place])
    if with_ports is not None:
        with_ports, port = engine.chosen(with_ports, transfer.ports)
        result += moved(engine, with_ports, transfer, address, port)
    return result


def moved(engine: Encoder, way: Way, transfer: ir.Rewrite, address: Value, port: Value) -> list[Way]:
    """The translation to an address and a port, where these are not the packet's own."""
    place, port_place = (at.DESTINATION, at.DESTINATION_PORT) if transfer.destination else (at.SOURCE, at.SOURCE_PORT)
    same, other = engine.fork(way, engine.formulas.same(way, way.env[place], address))
    result = [] if other is None else translated(engine, other, transfer, address, port)
    kept, changed = (None, None) if same is None else engine.fork(same, engine.formulas.same(same, way.env[port_place], port))
    result += [] if changed is None else translated(engine, changed, transfer, address, port)
    return [kept, *result] if kept is not None else result


def translated(engine: Encoder, way: Way, transfer: ir.Rewrite, address: Value, port: Value) -> list[Way]:
    """The packet and its connection with one side translated."""
    own = way.connections[way.current]
    status = own.status | at.status_of(transfer)
    env = with_side(way.env, transfer.destination, address, port)
    env = (*env[: at.STATUS], status, *env[at.STATUS + 1 :])
    return [
        stored(part._replace(env=env), own._replace(status=status, reply=at.inverted(of_packet(env), ping)))
        for ping, part in by_ping(engine, way)
    ]
