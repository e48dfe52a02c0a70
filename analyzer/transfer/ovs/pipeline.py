"""Open vSwitch in the language: the pipeline is run on what is known (registers, metadata, what conntrack said), and what it tests of the packet is left
as tests of the language.

After ofproto/ofproto-dpif-xlate.c. ``("switch table", number)`` is a packet in a table with what is known of it, which stands in the context under that
number: a point is made when a packet first gets there. What is not read by any later table is forgotten, so that ways meet again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from analyzer.facts.openflow import (
    REFUSING,
    Action,
    CheckLarger,
    Choose,
    ClearActions,
    ClearConntrack,
    Clone,
    Conjunction,
    Conntrack,
    Controller,
    DecrementTtl,
    Exit,
    Goto,
    Group,
    Harmless,
    Learn,
    Load,
    Move,
    NotModelled,
    OneOf,
    Output,
    Pop,
    PopVlan,
    Push,
    PushVlan,
    Resubmit,
    Subfield,
    WriteActions,
)
from analyzer.facts.openvswitch import FlowFact
from analyzer.source import Scope, Span
from analyzer.transfer.ir import DROP, KEEP, Alt, Assign, Drop, End, Field, If, In, Transfer, Unknown
from analyzer.transfer.ovs import conntrack as ovs_conntrack
from analyzer.transfer.ovs import learning as ovs_learning
from analyzer.transfer.ovs import ports as ovs_ports
from analyzer.transfer.ovs import ties as ovs_ties
from analyzer.transfer.ovs.index import Candidate, Flows
from analyzer.transfer.ovs.knowledge import (
    ADDRESSES,
    LOST,
    OF_PACKET,
    Known,
    Lost,
    Slice,
    Value,
    forgotten,
    frozen,
    kept,
    parts_of,
    put,
    read,
    write,
)
from analyzer.transfer.ovs.spots import QUIET, Rest, Spot, flows_of, may_send, place, rest_sends, spot_of
from analyzer.transfer.sizes import longer
from analyzer.transfer.space import Context, by_value, seq

ETHERNET, MANY, DEEP = 14, 16, 300


def table_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """A packet in a table."""
    spot = spot_of(context, int(detail))
    return Lowering(context, scope, flows_of(context, scope, spot.bridge)).table(spot)


class Now(NamedTuple):
    """A packet between two actions of a flow."""

    known: Known
    stack: tuple[Value, ...]
    written: tuple[Action, ...]
    spot: Spot
    table: str
    rest: Rest | None
    at: Span | None
    copied: bool


class Lowering:
    """Lowers the tables of one switch."""

    def __init__(self, context: Context, scope: Scope, flows: Flows) -> None:
        self.context, self.scope, self.flows, self.family = context, scope, flows, context.family

    def table(self, spot: Spot) -> Transfer:
        """Which flow takes the packet, and what it does."""
        if spot.depth > DEEP:
            return self.ended(spot, f"the flows of {self.flows.switch.name} on {self.scope} lead in circles", None)
        missed = f"{self.flows.switch.name} of {self.scope}: no flow of table {spot.table} takes the packet"
        result = self.finished(self.begun(spot, None), missed)
        candidates = list(self.flows.candidates(spot.table, dict(spot.known)))
        found, against = runs(candidates), ovs_ties.rivals(self, candidates)
        taught = ovs_learning.shapes(self, spot.table) if spot.table in self.flows.learns else []
        for same in reversed(found):
            below = [shape for shape in taught if shape.priority < same[0].flow.priority]
            sure = same is found[-1] and len(same) == 1 and same[0].match is True
            result = self.after_learned([] if sure else below, spot, result)
            taught = taught[: len(taught) - len(below)]
            result = self.chosen(same, spot, result, against)
        return self.after_learned(taught, spot, ovs_learning.doubted(self, spot, result))

    def after_learned(self, shapes: Sequence[ovs_learning.Shape], spot: Spot, result: Transfer) -> Transfer:
        """Flows that were learned come before others of their priority."""
        for shape in reversed(shapes):
            result = ovs_learning.learned(self, shape, spot, result)
        return result

    def begun(self, spot: Spot, at: Span | None) -> Now:
        """A packet that a flow has taken."""
        return Now(dict(spot.known), spot.stack, spot.written, spot, spot.table, spot.rest, at, spot.copied)

    def chosen(self, same: Sequence[Candidate], spot: Spot, otherwise: Transfer, against: ovs_ties.Rivals) -> Transfer:
        """Flows that test one value of one field each are one dispatch."""
        bodies = [ovs_ties.body(self, candidate, spot, against) for candidate in same]
        if len(same) == 1:
            match = same[0].match
            return bodies[0] if isinstance(match, bool) else If(match, bodies[0], otherwise, same[0].flow.at)
        rows: dict[int, Transfer] = {}
        field = Field.DESTINATION
        for candidate, body in zip(same, bodies, strict=True):
            exact = exactly(candidate)
            assert exact is not None
            field = exact[0]
            rows.setdefault(exact[1], body)
        return by_value(field, rows, otherwise)

    def body(self, flow: FlowFact, spot: Spot) -> Transfer:
        """What a flow does."""
        words = f"{self.flows.switch.name} of {self.scope} drops the packet: the flow of table {flow.table}, priority {flow.priority}, sends it nowhere"
        return self.perform(flow.actions, self.begun(spot, flow.at), words)

    def perform(self, actions: Sequence[Action], now: Now, words: str) -> Transfer:
        """Actions in their order, then what is left to do."""
        parts: list[Transfer] = []
        for index, action in enumerate(actions):
            left = tuple(actions[index + 1 :])
            step = self.step(action, left, now, words)
            if isinstance(step, Now):
                now = step
                continue
            effect, after = step
            parts.append(effect)
            if after is None:
                return seq(*parts)
            now = after
        return seq(*parts, self.finished(now, words))

    def step(self, action: Action, left: tuple[Action, ...], now: Now, words: str) -> Now | tuple[Transfer, Now | None]:
        """One action: what it does to the packet, and how it goes on; None: that is all."""
        match action:
            case Load(name, value, mask):
                return self.loaded(name, value, mask, now)
            case Move(origin, target):
                return self.written_to(target, read(now.known, origin, self.family), now)
            case Push(origin):
                return now._replace(stack=(*now.stack, read(now.known, origin, self.family)))
            case Pop(target):
                if not now.stack:
                    return now
                return self.written_to(target, now.stack[-1], now._replace(stack=now.stack[:-1]))
            case Resubmit(port, table):
                return self.resubmitted(port, table or now.table, left, now), None
            case Goto(table):
                return self.resubmitted("", table, left, now), None
            case Conntrack():
                return ovs_conntrack.lowered(self, action, left, now, words)
            case Output() | OneOf() | Group() | Clone() | Controller() | NotModelled():
                return self.sent(action, left, now, words)
            case _:
                return self.changed(action, left, now, words)

    def changed(self, action: Action, left: tuple[Action, ...], now: Now, words: str) -> Now | tuple[Transfer, Now | None]:
        """Actions that change the packet or what is done with it in the end."""
        match action:
            case ClearConntrack():
                return now._replace(known=ovs_conntrack.without(now.known))
            case PushVlan() | PopVlan():
                if "vlan_tci" in now.known:
                    now.known["vlan_tci"] = 0x1000 if isinstance(action, PushVlan) else 0
                    return now
                return Assign(Field.VLAN, 0), now
            case DecrementTtl():
                return self.older(), now
            case CheckLarger(size, part):
                return self.larger(size, part, left, now, words), None
            case Choose(ways, part):
                return self.any_of(ways, part, left, now, words), None
            case WriteActions(actions):
                return now._replace(written=(*now.written, *actions))
            case ClearActions():
                return now._replace(written=())
            case Exit():
                return self.finished(now._replace(rest=None), words), None
            case Learn():
                taught = ovs_learning.taught(self, action, now)
                return now if taught is None else (taught, now)
            case _:
                assert isinstance(action, Conjunction | Harmless)
                return now

    def loaded(self, name: str, value: int, mask: int, now: Now) -> Now | tuple[Transfer, Now | None]:
        """``field = (field & ~mask) | value``."""
        composed = 4 if name.startswith("xxreg") else 2 if name.startswith("xreg") else 0
        known = dict(now.known)
        now = now._replace(known=known)
        if composed:
            for part, _, _, base in parts_of(Subfield(name, 0, 32 * composed)):
                if mask >> base & 0xFFFFFFFF:
                    put(known, part, value >> base & 0xFFFFFFFF, mask >> base & 0xFFFFFFFF, self.family)
            return now
        field = self.packet_field(name, known)
        if field is Field.ICMP_TYPE:
            return self.unknown("it makes an answer of the packet itself", now), None
        stack, saved = kept(known, now.stack, field) if field is not None else (now.stack, KEEP)
        effect = seq(saved, put(known, name, value, mask, self.family))
        now = now._replace(stack=stack)
        return now if effect == KEEP else (effect, now)

    def packet_field(self, name: str, known: Known) -> Field | None:
        """The field of the language that a field is, where nothing else is known of it."""
        return None if name in known else OF_PACKET.get(name) or ADDRESSES[self.family].get(name)

    def written_to(self, target: Subfield, value: Value, now: Now) -> Now | tuple[Transfer, Now | None]:
        """Bits of a field get a value."""
        known = dict(now.known)
        field = self.packet_field(target.field, known)
        if field is not None and (isinstance(value, Lost | Slice) or (isinstance(value, Field) and target.low)):
            return End(
                Unknown(f"what {self.flows.switch.name} of {self.scope} writes into {target.field} is not followed"), now.at
            ), None
        stack, saved = kept(known, now.stack, field) if field is not None and value is not field else (now.stack, KEEP)
        effect = seq(saved, write(known, target, value, self.family))
        now = now._replace(known=known, stack=stack)
        return now if effect == KEEP else (effect, now)

    def resubmitted(self, port: str, table: str, left: tuple[Action, ...], now: Now) -> Transfer:
        """On in another table, and then what is left here."""
        known, own = dict(now.known), now.known.get("in_port", 0)
        if port:
            known["in_port"] = self.flows.number(port) or 0
        rest = Rest(left, now.table, own if port else None, now.rest) if left or port else now.rest
        depth = now.spot.depth + 1
        return place(
            self.context,
            self.scope,
            Spot(self.flows.switch.name, table, frozen(known), now.stack, rest, now.written, now.copied, depth),
        )

    def finished(self, now: Now, words: str) -> Transfer:
        """A flow is through: what was left to do, then the action set; without any output the packet is gone."""
        if now.rest is not None:
            rest, known = now.rest, dict(now.known)
            if rest.in_port is not None:
                known["in_port"] = rest.in_port
            return self.perform(rest.actions, now._replace(known=known, table=rest.table, rest=rest.following), words)
        if now.written:
            groups: list[Action] = [action for action in now.written if isinstance(action, Group)]
            ends = groups or [a for a in now.written if isinstance(a, Output)]
            first = [action for action in now.written if not isinstance(action, Group | Output)]
            return self.perform([*first, *ends[-1:]], now._replace(written=()), words)
        return DROP if now.copied else End(Drop(words), now.at)

    def ended(self, spot: Spot, words: str, at: Span | None) -> Transfer:
        """The packet is gone, unless it is a copy."""
        return DROP if spot.copied else End(Drop(words), at)

    def sent(self, action: Action, left: tuple[Action, ...], now: Now, words: str) -> tuple[Transfer, Now | None] | Now:
        """Actions that send copies: where more may follow, what follows is another copy."""
        match action:
            case Controller() if action.operation in QUIET:
                return now
            case Controller() if action.operation in REFUSING and not may_send(left) and not rest_sends(now.rest):
                words = f"{self.flows.switch.name} of {self.scope}: its flow has OVN's controller refuse it with an error"
                return DROP if now.copied else End(Drop(words), now.at), None
            case NotModelled(text):
                return self.unknown(f"{text[:60]} is not modelled", now), None
            case _ if ovs_learning.learns(left) or ovs_learning.rest_learns(now.rest):
                return self.unknown("it learns from the packet after it has sent it", now), None
            case _:
                pass
        if may_send(left) or rest_sends(now.rest) or (now.written and not isinstance(action, Clone)):
            others = self.perform(left, now._replace(copied=True), words)
            alone = now._replace(rest=None, written=())
            return Alt((self.leaves(action, alone, words), others)), None
        return self.leaves(action, now._replace(rest=None, written=()), words), None

    def leaves(self, action: Action, now: Now, words: str) -> Transfer:
        """One copy leaves. One that does beside another is not followed: which of them matters is not known."""
        if now.copied and not isinstance(action, Clone):
            return self.unknown("it sends several copies of the packet", now)
        match action:
            case Output(Subfield() as part):
                value = read(now.known, part, self.family)
                if not isinstance(value, int):
                    return self.unknown("by which port the packet leaves is in a register that is not followed", now)
                return ovs_ports.out(self, str(value), now)
            case Output(str(port)):
                return ovs_ports.out(self, port, now)
            case OneOf(ports):
                return Alt(tuple(ovs_ports.out(self, port, now) for port in ports))
            case Controller():
                words = f"its controller (userdata {action.operation or 'none'}) gets the packet, and may answer it"
                return self.unknown(words, now)
            case Group(number):
                return self.grouped(number, now, words)
            case Clone(actions):
                return self.perform(actions, now, words)
            case _:
                return self.unknown("what it does is not modelled", now)

    def grouped(self, number: int, now: Now, words: str) -> Transfer:
        """The buckets of a group."""
        group = self.flows.switch.groups.get(number)
        if group is None:
            return self.unknown(f"its group {number} was not captured", now)
        buckets = [bucket for bucket in group.buckets if bucket.weight] if group.kind == "select" else list(group.buckets)
        if group.kind in ("indirect", "fast_failover"):
            buckets = buckets[:1]
        elif group.kind == "all" and len(buckets) > 1:
            return self.unknown(f"its group {number} makes several copies of the packet", now)
        if not buckets:
            return End(Drop(words), group.at)
        ways = tuple(self.perform(bucket.actions, now._replace(known=dict(now.known)), words) for bucket in buckets)
        return ways[0] if len(ways) == 1 else Alt(ways, group.at)

    def unknown(self, words: str, now: Now) -> Transfer:
        """What is not known."""
        return End(Unknown(f"{self.flows.switch.name} of {self.scope}: {words}"), now.at)

    def older(self) -> Transfer:
        """``dec_ttl``."""
        rows: dict[int, Transfer] = {value: Assign(Field.TTL, value - 1) for value in range(2, 256)}
        rows[1] = End(Drop(f"{self.flows.switch.name} of {self.scope}: the TTL of the packet is used up"))
        return by_value(Field.TTL, rows, KEEP)

    def larger(self, size: int, part: Subfield, left: tuple[Action, ...], now: Now, words: str) -> Transfer:
        """``check_pkt_larger``: both answers, each to the end."""
        ways = []
        for bit in (1, 0):
            known = dict(now.known)
            write(known, part, bit, self.family)
            ways.append(self.perform(left, now._replace(known=known), words))
        return If(longer(size - ETHERNET), ways[0], ways[1], now.at)

    def any_of(self, ways: int, part: Subfield, left: tuple[Action, ...], now: Now, words: str) -> Transfer:
        """``multipath``: each number, to the end."""
        found = []
        for value in range(ways) if ways <= MANY else (LOST,):
            known = dict(now.known)
            write(known, part, value, self.family)
            found.append(self.perform(left, now._replace(known=known), words))
        return Alt(tuple(found), now.at)

    def forget(self, now: Now, fields: Sequence[Field]) -> Now:
        """Fields that something else has written."""
        known = dict(now.known)
        return now._replace(known=known, stack=forgotten(known, now.stack, fields))


def exactly(candidate: Candidate) -> tuple[Field, int] | None:
    """The field and the one value that a flow tests, where that is all."""
    match candidate.match:
        case In(field, ((low, high),)) if low == high:
            return field, low
        case _:
            return None


def runs(found: Sequence[Candidate]) -> list[list[Candidate]]:
    """Neighbours of one priority that each test one value of one field, together; every other flow alone."""
    result: list[list[Candidate]] = []
    for candidate in found:
        own = exactly(candidate)
        last = exactly(result[-1][-1]) if result else None
        same = (
            own is not None and last is not None and own[0] is last[0] and result[-1][-1].flow.priority == candidate.flow.priority
        )
        if same:
            result[-1].append(candidate)
        else:
            result.append([candidate])
    return result
