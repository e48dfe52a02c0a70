"""Flows between sets of parties, over all packets: what arrives, as what, whether the answer comes back; and which pairs it does not.

A flow's request starts at the sender's own stage ``send``; where it is delivered, the answer starts with what the receiver saw, and
with the connections that the request made; where that comes back, TCP's third packet follows, and where something may tell it from the first, the next answer. Everything is decided on sets of packets; ``Lost`` says which ones fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import NamedTuple

from analyzer.query.failures import LATER, LOST, OPENING, REPLY, SEEN_DESTINATION, SEEN_SOURCE, UNKNOWN, WRONG
from analyzer.query.parties import Ends, Rows, meant_for, rows_of
from analyzer.ranges import EMPTY, Ranges, contains, difference, intersection, normalised, single
from analyzer.solve.packet import ACK, ICMP, ICMPV6, SCTP, SYN, TCP, UDP
from analyzer.solve.sets.diagrams import EACH, STEPS, Count, Sets
from analyzer.solve.sets.joint import Joint
from analyzer.solve.sets.neglected import Neglect
from analyzer.solve.sets.regions import Result, State, Value, divided, narrowed, start, values_of, variables
from analyzer.solve.sets.sifting import sifted
from analyzer.solve.sets.tracking import aged, anew
from analyzer.solve.states import DESTINATION, DESTINATION_PORT, FIELDS, INDEX, NO_PAYLOAD, PROTOCOL, SOURCE, SOURCE_PORT
from analyzer.source import Scope, Span
from analyzer.transfer import ir
from analyzer.transfer.ir import Field

NOTHING = Neglect()
PORTS: Ranges = ((1, 65535),)
PORTED: Ranges = ((TCP, TCP), (UDP, UDP), (SCTP, SCTP))


class Sender(NamedTuple):
    """Where flows start: a namespace, the source addresses, the destinations, and the ports that it may send from."""

    scope: Scope
    sources: Ranges
    destinations: Ranges
    ports: Ranges = PORTS


class Lost(NamedTuple):
    """Packets that fail: how, why, where that is decided, and the set of them."""

    kind: str
    reason: str
    at: Span | None
    state: State


Back = tuple[list[Lost], list[tuple[ir.Point, State]]]
"""Answers that are lost, and where who has the others goes on."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What the packets are, and who should get them: the namespaces of each destination; with ``translated`` the (address, port) pairs
    that each service port (protocol, address, port) stands for, and only packets to these."""

    family: int
    protocols: Ranges
    ports: Ranges
    holders: Mapping[int, frozenset[Scope]]
    translated: Ends | None = None
    rows: dict[Scope, frozenset[tuple[Ranges, ...]]] = dataclass_field(
        default_factory=dict, init=False, compare=False, repr=False
    )
    asked: dict[Ranges, Rows] = dataclass_field(default_factory=dict, init=False, compare=False, repr=False)

    def wanted(self, destinations: Ranges) -> Rows:
        """Protocol, address and port of the services at the addresses, each alone."""
        if destinations not in self.asked:
            self.asked[destinations] = rows_of(one for one in self.translated or () if contains(destinations, one[1]))
        return self.asked[destinations]

    def meant(self, scope: Scope) -> frozenset[tuple[Ranges, ...]]:
        """Protocol, address and port of a service, and address and port of an endpoint that the namespace holds, each alone."""
        if not self.rows and self.translated is not None:
            self.rows.update(meant_for(self.translated, self.holders))
        return self.rows.get(scope, frozenset())

    @property
    def ping(self) -> bool:
        """Whether the packets are pings."""
        return self.protocols[0][0] in (ICMP, ICMPV6)


def aims(family: int, holders: Mapping[int, frozenset[Scope]], closed: Ranges = EMPTY, of: Ranges = PORTED) -> tuple[Aim, ...]:
    """Every packet of the protocols (by default those that Kubernetes knows), all ports, and pings; but for some ports of UDP."""
    ping = Aim(family, single(ICMP if family == 4 else ICMPV6), EMPTY, holders)
    if not closed:
        return ping, Aim(family, of, PORTS, holders)
    others = Aim(family, difference(of, single(UDP)), PORTS, holders)
    return ping, others, Aim(family, single(UDP), difference(PORTS, closed), holders)


def request(aim: Aim, sender: Sender) -> State:
    """The packets that a sender may send."""
    common: dict[Field, int | Ranges] = {
        Field.SOURCE: sender.sources,
        Field.DESTINATION: sender.destinations,
        Field.PROTOCOL: aim.protocols[0][0] if aim.ping else aim.protocols,
        Field.TTL: 64,
    }
    if aim.ping:
        return start({**common, Field.SOURCE_PORT: ((0, 65535),), Field.ICMP_TYPE: 8 if aim.family == 4 else 128})
    ports: dict[Field, int | Ranges] = {Field.SOURCE_PORT: sender.ports, Field.DESTINATION_PORT: aim.ports}
    begun = start({**common, **ports, Field.TCP_FLAGS: SYN})
    return begun if aim.translated is None else asking(begun, aim.wanted(sender.destinations))


def asking(state: State, rows: tuple[tuple[Ranges, ...], ...]) -> State:
    """The packets that ask for one of the service ports (``rows_of``)."""
    fields = (Field.PROTOCOL, Field.DESTINATION, Field.DESTINATION_PORT)
    names, env = tuple(name.value for name in fields), list(state.env)
    for name in fields:
        env[INDEX[name]] = name.value
    region = {name: ranges for name, ranges in state.region.items() if name not in names}
    return state._replace(env=tuple(env), region=region, joints=(Joint(names, rows),))


def answer(aim: Aim, state: State) -> State:
    """What the receiver sends back: source and destination changed, the ports too; a ping's answer keeps its identifier and its type of service."""
    env: list[Value] = [0] * len(FIELDS)
    env[SOURCE], env[DESTINATION], env[PROTOCOL] = state.env[DESTINATION], state.env[SOURCE], state.env[PROTOCOL]
    env[INDEX[Field.TTL]] = 64
    if aim.ping:
        env[SOURCE_PORT] = state.env[SOURCE_PORT]
        env[INDEX[Field.ICMP_TYPE]], env[INDEX[Field.SERVICE]] = (0 if aim.family == 4 else 129), state.env[INDEX[Field.SERVICE]]
    else:
        env[SOURCE_PORT], env[DESTINATION_PORT] = state.env[DESTINATION_PORT], state.env[SOURCE_PORT]
        env[INDEX[Field.TCP_FLAGS]] = SYN | ACK
    return state._replace(env=tuple(env), frames=(), current=-1, hops=0)


@dataclass(slots=True)
class Analysis:
    """The flows of some senders: ``lost`` are the packets that fail, ``assumptions`` what the rest takes for granted, ``points`` the places
    that packets came to, ``delivered`` the requests that arrived."""

    lost: list[Lost]
    assumptions: dict[str, None]
    arrived: int
    count: Count
    points: Mapping[ir.Point, None]
    delivered: Sequence[Result] = ()


def analyse(
    program: ir.Program,
    send: Callable[[Scope], ir.Point],
    aim: Aim,
    senders: Sequence[Sender],
    dead: Neglect = NOTHING,
    begin: Callable[[Scope], ir.Point] | None = None,
) -> Analysis:
    """Requests of all senders, what arrives, and the answers to it. ``begin`` is where the senders' own packets start, if not as answers do."""
    begin = begin or send
    starts = [(begin(sender.scope), request(aim, sender)) for sender in senders]
    homes = {value: sender.scope for sender in senders for low, high in sender.sources for value in range(low, high + 1)}

    def back(result: Result, _: Analysis) -> Back:
        lost, came = returns(aim, result, homes)
        return lost, [(begin(scope_of(result)), came)] if came is not None else []

    return followed(program, send, aim, starts, back, dead)


def followed(
    program: ir.Program,
    send: Callable[[Scope], ir.Point],
    aim: Aim,
    starts: Sequence[tuple[ir.Point, State]],
    back: Callable[[Result, Analysis], Back],
    dead: Neglect,
) -> Analysis:
    """Requests from their starts, what arrives, the answers to it, and what follows them; ``back`` says which of the answers are lost, and where
    who has the others goes on."""
    engine = Sets(program, max(STEPS, EACH * len(starts)), neglect=dead)
    found = Analysis([], {}, 0, engine.count, engine.points)
    delivered = [one for result in engine.explore(starts) for one in arrivals(aim, result, found)]
    found.arrived, found.delivered = len(delivered), delivered
    if aim.translated is None:
        found.lost += [item for one in delivered for item in translations(one)]
    going: list[tuple[ir.Point, State]] = []
    for result in engine.explore([(send(scope_of(one)), answer(aim, one.state)) for one in delivered]):
        lost, came = back(result, found)
        found.lost += lost
        going += [(point, third) for point, state in came if (third := acknowledgement(aim, state)) is not None]
    opened: list[Result] = []
    for result in engine.explore(going):
        found.lost += unopened(aim, result, opened)
    if engine.count.strayed or not dead.later:
        later = [(send(scope_of(one)), flagged(answer(aim, one.state), ACK)) for one in opened]
        found.lost += [unkept(item) for result in engine.explore(later) for item in back(result, found)[0]]
    return found


def acknowledgement(aim: Aim, state: State) -> State | None:
    """TCP's third packet, which who asked sends when the answer came; None: there is no TCP among them."""
    protocol = state.env[PROTOCOL]
    held = intersection(values_of(state, protocol), single(TCP))
    part = narrowed(state, protocol, held) if isinstance(protocol, str) else state if held else None
    return None if part is None else flagged(aged(answer(aim, part)), ACK)


def flagged(state: State, flags: int) -> State:
    """The packets with other TCP flags."""
    place = INDEX[Field.TCP_FLAGS]
    return state._replace(env=(*state.env[:place], flags, *state.env[place + 1 :]))


def unkept(item: Lost) -> Lost:
    """A later answer that is lost, as such."""
    return item._replace(kind=LATER, reason=f"{LATER}: {item.reason}") if item.kind == REPLY else item


def unopened(aim: Aim, result: Result, opened: list[Result]) -> list[Lost]:
    """TCP's third packets that do not come to who was asked; those that do are added to ``opened``."""
    exit, at, state, beyond = result
    match exit:
        case ir.Deliver(scope):
            right, wrong = sorted_out(aim, scope, state)
            opened += [Result(exit, at, item) for item in right]
            other = [Lost(UNKNOWN, f"{OPENING}: is translated anew", at, item) for item in right if anew(item)]
            return other + [Lost(OPENING, f"{OPENING}: is delivered to {scope}", at, item) for item in wrong]
        case ir.Leave(scope):
            return [Lost(OPENING, f"{OPENING}: leaves the capture at {scope}", at, state)]
        case _:
            return failure(exit, at, state, beyond, OPENING)


def scope_of(result: Result) -> Scope:
    """The namespace that a delivered result is in."""
    assert isinstance(result.exit, ir.Deliver)
    return result.exit.scope


def arrivals(aim: Aim, result: Result, found: Analysis) -> Iterator[Result]:
    """The packets that arrive where they should; the others are lost."""
    exit, at, state, _ = result
    match exit:
        case ir.Deliver(scope):
            right, wrong = sorted_out(aim, scope, state)
            found.lost += [Lost(WRONG, f"is delivered to {scope}", at, item) for item in wrong]
            yield from (Result(exit, at, item) for item in right)
        case ir.Leave(scope):
            kind = UNKNOWN if aim.translated is None else WRONG
            found.lost.append(Lost(kind, f"the packet leaves the capture at {scope}", at, state))
        case _:
            found.lost += failure(exit, at, state, result.beyond, LOST)


def failure(exit: ir.Exit, at: Span | None, state: State, beyond: bool, kind: str) -> list[Lost]:
    """The packets that leave by an exit that is no arrival. What a tunnel's own port takes has arrived: the port is the tunnel's."""
    match exit:
        case ir.Drop() if exit == NO_PAYLOAD:
            return []
        case ir.Drop(reason):
            return [Lost(UNKNOWN if state.answers else kind, reason, at, state)]
        case ir.Unknown(reason):
            return [Lost(UNKNOWN, f"beyond the sets of packets: {reason}" if beyond else reason, at, state)]
        case _:
            return [Lost(UNKNOWN, f"the walk ends without a decision ({type(exit).__name__})", at, state)]


def sorted_out(aim: Aim, scope: Scope, state: State) -> tuple[list[State], list[State]]:
    """The packets whose destination this namespace is to have, and the others."""
    if aim.translated is not None:
        return sorted_rows(aim, scope, state)
    wanted = asked(state)
    right = tuple((value, value) for value in spelled(wanted) if scope in aim.holders.get(value, ()))
    if isinstance(variable := origin(state, Field.DESTINATION), str):
        inside, outside = divided(state, variable, normalised(right))
        return [inside] if inside else [], [outside] if outside else []
    return ([state], []) if right else ([], [state])


def sorted_rows(aim: Aim, scope: Scope, state: State) -> tuple[list[State], list[State]]:
    """The packets that an endpoint of the service has that they were meant for, and the others."""
    fields = (Field.PROTOCOL, Field.DESTINATION, Field.DESTINATION_PORT)
    values = (*(origin(state, name) for name in fields), state.env[DESTINATION], state.env[DESTINATION_PORT])
    return sifted(state, values, lambda row: belongs(aim, scope, row), aim.meant(scope))


def belongs(aim: Aim, scope: Scope, row: Sequence[Ranges]) -> bool:
    """Whether the receiver is one of the endpoints of what was asked for: protocol, address, port, and what the last two have become. Of several
    endpoints at once that is not said: they are looked at one by one."""
    assert aim.translated is not None
    (address, last), (port, highest) = row[3][0], row[4][0]
    if address != last or port != highest or len(row[3]) > 1 or len(row[4]) > 1 or scope not in aim.holders.get(address, ()):
        return False
    if len(row[0]) == len(row[1]) == len(row[2]) == 1:
        (protocol, one), (wanted, two), (number, three) = row[0][0], row[1][0], row[2][0]
        if protocol == one and wanted == two and number == three:
            return (address, port) in aim.translated.get((protocol, wanted, number), ())
    return all(
        (address, port) in aim.translated.get((protocol, wanted, number), ())
        for protocol in spelled(row[0])
        for wanted in spelled(row[1])
        for number in spelled(row[2])
    )


def origin(state: State, field: Field) -> Value:
    """The variable that a field of the request has become: its own, or the one that it was found equal to."""
    name: str = field.value
    for pair in state.together:
        if pair.equal and pair.right == name:
            name = pair.left
    return name


def asked(state: State) -> Ranges:
    """The destinations of the requests."""
    return values_of(state, origin(state, Field.DESTINATION))


def senders_of(state: State) -> Ranges:
    """The sources of the requests."""
    return values_of(state, origin(state, Field.SOURCE))


def spelled(ranges: Ranges) -> Iterator[int]:
    """The values, one by one."""
    return (value for low, high in ranges for value in range(low, high + 1))


def translations(result: Result) -> Iterator[Lost]:
    """Delivered packets from or to other addresses, or to another port, than were sent: a node may keep its own behind a masquerade that picks a port."""
    _, at, state, _ = result
    for kind, fields in (
        (SEEN_SOURCE, (Field.SOURCE,)),
        (SEEN_DESTINATION, (Field.DESTINATION, Field.DESTINATION_PORT)),
    ):
        parts = (part for field in fields if field.value in variables(state) and (part := changed(state, field)) is not None)
        if (part := next(parts, None)) is not None:
            yield Lost(kind, kind, at, part)


def changed(state: State, field: Field) -> State | None:
    """The packets whose field is not what it was in the request: not those that a translation leaves as they are."""
    own, value = origin(state, field), state.env[INDEX[field]]
    if unchanged(state, value, field):
        return None
    now = values_of(state, value)
    if isinstance(own, str) and len(now) == 1 and now[0][0] == now[0][1]:
        return narrowed(state, own, difference(values_of(state, own), now))
    return state


def unchanged(state: State, value: Value, field: Field) -> bool:
    """Whether the field is what it was in the request."""
    own = origin(state, field)
    if value == own:
        return True
    before, now = values_of(state, own), values_of(state, value)
    return before == now and len(now) == 1 and now[0][0] == now[0][1]


def returns(aim: Aim, result: Result, homes: Mapping[int, Scope]) -> tuple[list[Lost], State | None]:
    """The answers that do not reach who asked as what was asked, and those that do."""
    exit, at, state, beyond = result
    if not isinstance(exit, ir.Deliver):
        if isinstance(exit, ir.Leave):
            return [Lost(REPLY, f"the reply leaves the capture at {exit.scope}", at, state)], None
        return failure(exit, at, state, beyond, REPLY), None
    strangers = normalised((value, value) for value in spelled(senders_of(state)) if homes.get(value) != exit.scope)
    lost, name = list[Lost](), str(origin(state, Field.SOURCE))
    if strangers:
        astray, own = (narrowed(state, name, part) for part in (strangers, difference(senders_of(state), strangers)))
        if astray is not None:
            lost.append(Lost(REPLY, f"the reply is delivered to {exit.scope}, which did not ask", at, astray))
        if own is None:
            return lost, None
        state = own
    unknown = strange(aim, state, at)
    return [*lost, *unknown], None if unknown else state


def strange(aim: Aim, state: State, at: Span | None) -> list[Lost]:
    """The answers whose addresses and ports are not those that were asked."""
    ports = [(SOURCE_PORT, Field.SOURCE_PORT)]
    if not aim.ping:
        ports = [(SOURCE_PORT, Field.DESTINATION_PORT), (DESTINATION_PORT, Field.SOURCE_PORT)]
    for place, field in ((SOURCE, Field.DESTINATION), (DESTINATION, Field.SOURCE), *ports):
        if not unchanged(state, state.env[place], field):
            return [Lost(REPLY, f"the reply's {FIELDS[place]} is not what was asked", at, state)]
    return []
