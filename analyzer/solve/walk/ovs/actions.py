"""A packet in the pipeline of a switch: tables, actions, registers, and the copies that leave it.

After ofproto/ofproto-dpif-xlate.c (``xlate_table_action``, ``do_xlate_actions``, ``compose_conntrack_action``, ``xlate_group_action``).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from analyzer.addresses import address_text, hardware_text
from analyzer.facts.openflow import (
    ADVERTISING,
    REFUSING,
    WIDTHS,
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
from analyzer.facts.openvswitch import Bucket, FlowFact
from analyzer.solve.packet import Packet
from analyzer.solve.walk.netfilter.hooks import HookPacket
from analyzer.solve.walk.netfilter.state import Connection, Tracked
from analyzer.solve.walk.ovs import conntrack as ovs_conntrack
from analyzer.solve.walk.ovs import learning as ovs_learning
from analyzer.solve.walk.ovs.tables import Tables
from analyzer.solve.walk.ovs.values import SOLICITATION, TAGGED, Values, advertised, loaded, moved, packet_of, read, write
from analyzer.solve.walk.state import HEADER, Frame, Walk
from analyzer.source import Scope, Span

DEEP, MANY, NESTED = 64, 4096, 150
IPV4 = frozenset({"nw_src", "nw_dst", "arp_spa", "arp_tpa", "tun_src", "tun_dst"})
ETHERNET = 14
# Operations of OVN's controller that leave the packet's way as it is: it learns a neighbour, or logs (ovn/actions.h, ACTION_OPCODE_…).
QUIET = frozenset({"00.00.00.01", "00.00.00.04", "00.00.00.07"})


class Emission(NamedTuple):
    """A copy that leaves the pipeline: by a port (a number or a word), or with words for what is not known of it."""

    port: str
    values: Values
    at: Span | None
    unknown: str = ""


class Stopped(Exception):
    """Nothing more is done with this copy."""


@dataclass(slots=True)
class Passage:
    """One packet in one switch. ``place`` is the last flow that took it; ``told`` why nothing came of it."""

    walk: Walk
    scope: Scope
    tables: Tables
    frame: Frame
    values: Values
    emissions: list[Emission] = field(default_factory=list)
    stack: list[int] = field(default_factory=list)
    written: list[Action] = field(default_factory=list)
    place: Span | None = None
    told: str = ""
    depth: int = 0
    nested: int = 0
    looked_up: tuple[int, Tracked] | None = None
    count: list[int] = field(default_factory=lambda: [0])

    def run(self, table: str) -> list[Emission]:
        """The copies that leave, of a packet that begins in a table."""
        self.look_up(table)
        with suppress(Stopped):
            self.finish()
        return self.emissions

    def finish(self) -> None:
        """The action set: what changes the packet, then the group or else the output, in the order that OpenFlow gives them."""
        actions, self.written = self.written, []
        groups: list[Action] = [action for action in actions if isinstance(action, Group)]
        ends = groups or [action for action in actions if isinstance(action, Output)]
        self.done([action for action in actions if not isinstance(action, Group | Output)] + ends[-1:], "")

    def look_up(self, table: str) -> None:
        """The flow of a table that takes the packet, and its actions; a resubmit that is the last of them is followed in a loop."""
        depth, nested = self.depth, self.nested
        self.nested += 1
        while table and not self.refused():
            flow = ovs_learning.taken(self.walk, self.scope, self.tables, table, self.values)
            if flow is None:
                self.told, self.place = f"no flow of table {table} takes the packet", None
                break
            self.place, self.told = flow.at, said(flow)
            following = ""
            with suppress(Stopped):
                following = self.perform(flow.actions, table)
            self.depth += not later(table, following)
            table = following
        self.depth, self.nested = depth, nested

    def refused(self) -> bool:
        """Whether no further table is looked up (``xlate_resubmit_resource_check``)."""
        self.count[0] += 1
        if self.depth > DEEP or self.count[0] > MANY:
            self.told = f"its flows lead in circles ({'too deep' if self.depth > DEEP else 'too many'} resubmits)"
            return True
        if self.nested > NESTED:
            self.unknown(f"its flows are nested more than {NESTED} deep")
            return True
        return False

    def perform(self, actions: Sequence[Action], table: str) -> str:
        """Actions in their order; the table of the last one, where that is a resubmit, is left to the caller."""
        for place, action in enumerate(actions, 1):
            match action:
                case Load():
                    loaded(self.values, action)
                case Move():
                    moved(self.values, action)
                case Resubmit("", to) | Goto(to) if place == len(actions):
                    return to or table
                case Resubmit(port, to):
                    self.resubmitted(port, to or table, table)
                case Goto(to):
                    self.resubmitted("", to, table)
                case Output() | OneOf() | Controller() | Group() | NotModelled():
                    self.leave(action, table)
                case Conntrack():
                    self.tracked(action, table)
                case _:
                    self.change(action, table)
        return ""

    def done(self, actions: Sequence[Action], table: str) -> None:
        """Actions in their order, to the end."""
        following = self.perform(actions, table)
        if following:
            self.resubmitted("", following, table)

    def change(self, action: Action, table: str) -> None:
        """Actions that change the packet, or what will be done to it."""
        values = self.values
        match action:
            case Push(part):
                self.stack.append(read(values, part))
            case Pop(part):
                if self.stack:
                    write(values, part, self.stack.pop())
            case ClearConntrack():
                self.values, self.looked_up = ovs_conntrack.without(values), None
            case PushVlan():
                values["vlan_tci"] = TAGGED
            case PopVlan():
                values["vlan_tci"] = 0
            case DecrementTtl():
                self.decrement()
            case CheckLarger(size, part):
                write(values, part, self.larger(size))
            case Choose(ways, part):
                write(values, part, self.walk.oracle.choose(ways, f"which of {ways} ways a flow takes", self.place))
            case Clone(actions):
                self.copied(actions, table)
            case WriteActions(actions):
                self.written += actions
            case ClearActions():
                self.written.clear()
            case Exit():
                raise Stopped
            case Learn():
                ovs_learning.learn(self.walk, self.scope, self.tables.switch.name, action, values, self.place)
            case _:
                assert isinstance(action, Conjunction | Harmless)

    def resubmitted(self, port: str, to: str, table: str) -> None:
        """``resubmit``: the table is looked up with another port. It is deeper only where it does not lead to a later table."""
        before, place = self.values.get("in_port", 0), self.place
        if port:
            self.values["in_port"] = self.tables.number(port) or 0
        deeper = not later(table, to)
        self.depth += deeper
        self.look_up(to)
        self.depth -= deeper
        self.place = self.place or place
        if port:
            self.values["in_port"] = before

    def leave(self, action: Action, table: str) -> None:
        """Actions that send copies."""
        match action:
            case Output(Subfield() as part):
                self.emit(str(read(self.values, part)))
            case Output(str(port)):
                if port == "TABLE":
                    self.look_up("0")
                else:
                    self.emit(port)
            case OneOf(ports):
                text = f"the port of {', '.join(ports)} that a bundle takes"
                self.emit(ports[self.walk.oracle.choose(len(ports), text, self.place)] if ports else "")
            case Controller():
                self.to_controller(action)
            case Group(number):
                self.grouped(number, table)
            case NotModelled(text):
                self.unknown(f"{text[:60]} is not modelled")
                raise Stopped
            case _:
                pass

    def to_controller(self, action: Controller) -> None:
        """OVN's controller answers a neighbour solicitation, or refuses a packet; what else it does is not known."""
        if action.operation in QUIET:
            return
        if action.operation in REFUSING:
            self.told = "its flow has OVN's controller refuse it with an error"
        elif action.operation in ADVERTISING and action.answer and self.values.get("icmp_type") == SOLICITATION:
            own, self.values = self.values, advertised(self.values)
            self.copied(action.answer, "")
            self.values = own
        else:
            self.unknown(f"its controller (userdata {action.operation or 'none'}) gets the packet, and may answer it")

    def emit(self, port: str) -> None:
        """A copy leaves."""
        self.emissions.append(Emission(port, dict(self.values), self.place))

    def unknown(self, words: str) -> None:
        """A copy of which it is not known what becomes."""
        self.emissions.append(Emission("", dict(self.values), self.place, words))

    def decrement(self) -> None:
        """``dec_ttl``: a packet whose time is used up goes to the controller, and no further."""
        ttl = self.values.get("nw_ttl", 0)
        if ttl <= 1:
            self.told = "the TTL is used up"
            raise Stopped
        self.values["nw_ttl"] = ttl - 1

    def larger(self, size: int) -> int:
        """``check_pkt_larger``: the frame without what a switch adds."""
        if not isinstance(self.frame.load, HookPacket) or self.frame.load.packet.size is None:
            return 0
        packet = self.frame.load.packet
        return int((packet.size or 0) + HEADER[packet.family] + ETHERNET > size)

    def copied(self, actions: Sequence[Action], table: str) -> None:
        """``clone``: a copy with its own fields."""
        values, stack, written, looked_up = dict(self.values), list(self.stack), list(self.written), self.looked_up
        with suppress(Stopped):
            self.done(actions, table)
        self.values, self.stack, self.written, self.looked_up = values, stack, written, looked_up

    def grouped(self, number: int, table: str) -> None:
        """The buckets of a group: all, the one that a hash chooses, or the first."""
        group = self.tables.switch.groups.get(number)
        if group is None:
            self.unknown(f"its group {number} was not captured")
            return
        buckets = list(group.buckets)
        if group.kind == "select":
            buckets = [bucket for bucket in buckets if bucket.weight]
            if not buckets:
                self.told, self.place = f"group {number} has no bucket", group.at
                return
            text = f"group {number} of {self.tables.switch.name} on {self.scope} has {len(buckets)} buckets"
            buckets = [buckets[self.walk.oracle.choose(len(buckets), text, group.at)]]
        elif group.kind != "all":
            buckets = self.alive(buckets)
        for bucket in buckets:
            self.copied(bucket.actions, table)

    def alive(self, buckets: list[Bucket]) -> list[Bucket]:
        """The first bucket; of those that watch a port the first is taken to be alive."""
        if buckets and buckets[0].watched:
            self.walk.assume(f"port {buckets[0].watched}, which a group of {self.tables.switch.name} watches, is alive")
        return buckets[:1]

    def tracked(self, action: Conntrack, table: str) -> None:
        """``ct``: a copy goes on in its table with what conntrack says; this one goes on as one that was not looked up (``flow_clear_conntrack`` at the
        end of ``compose_conntrack_action``)."""
        load_of = self.frame.load
        if not isinstance(load_of, HookPacket) or "ip_proto" not in self.values:
            # Only IP is tracked: the copy is invalid (ct_state +inv).
            if action.table:
                self.recirculated({**ovs_conntrack.without(self.values), "ct_state": 48}, action.table)
            self.values = ovs_conntrack.without(self.values)
            return
        before = packet_of(self.values, load_of.packet)
        zone = ovs_conntrack.zone_of(action, self.values)
        known_of = self.looked_up[1] if self.looked_up is not None and self.looked_up[0] == zone else None
        after, known, found = ovs_conntrack.passed(self.walk, self.scope, action, self.values, before, self.place, known_of)
        self.looked_up = (zone, found)
        if after != before:
            self.translated(before, after, zone)
        fresh = {**ovs_conntrack.without(self.values), **translation(after), **known}
        if action.commit and found.connection is not None:
            self.commit(action, fresh, found.connection, table)
        if action.table:
            self.recirculated(fresh, action.table)
        self.values = ovs_conntrack.without(self.values)
        if not action.table and after != before:
            self.values |= translation(after)

    def commit(self, action: Conntrack, fresh: Values, connection: Connection, table: str) -> None:
        """Stores the connection, with what ``exec`` says of its mark and label."""
        values, self.values = self.values, {**self.values, **{name: fresh.get(name, 0) for name in ("ct_mark", "ct_label")}}
        self.done(action.executed, table)
        fresh |= {name: self.values.get(name, 0) for name in ("ct_mark", "ct_label")}
        self.values = values
        stored = ovs_conntrack.committed(self.walk, self.scope, connection, fresh)
        if self.looked_up is not None:
            self.looked_up = (self.looked_up[0], self.looked_up[1]._replace(connection=stored))

    def recirculated(self, values: Values, table: str) -> None:
        """A copy goes on in a table."""
        own, stack, written, depth = self.values, list(self.stack), list(self.written), self.depth
        self.values, self.depth = values, 0
        self.look_up(table)
        with suppress(Stopped):
            self.finish()
        self.values, self.stack, self.written, self.depth = own, stack, written, depth

    def translated(self, before: Packet, after: Packet, zone: int) -> None:
        """Tells of a translation."""
        text = f"{self.tables.switch.name}: {before} becomes {after} (zone {zone})"
        self.walk.tell(self.scope, "conntrack", text, self.place, after)


def later(table: str, to: str) -> bool:
    """Whether a table comes after another, by number."""
    return to.isdecimal() and table.isdecimal() and int(to) > int(table)


def translation(packet: Packet) -> Values:
    """The fields that a translation may change."""
    four = packet.family == 4
    found = {"nw_src" if four else "ipv6_src": packet.source, "nw_dst" if four else "ipv6_dst": packet.destination}
    if packet.protocol in (6, 17, 132):
        found |= {"tp_src": packet.source_port, "tp_dst": packet.destination_port}
    return found


def said(flow: FlowFact) -> str:
    """A flow in a few words."""
    tests = [f"in_port={flow.in_port}"] if flow.in_port else []
    tests += [f"{test.field}={shown(test.field, test.value)}" for test in flow.match[:6]]
    more = " …" if len(flow.match) > 6 else ""
    return f"the flow of table {flow.table}, priority {flow.priority} ({', '.join(tests)}{more}) takes it and sends it nowhere"


def shown(field: str, value: int) -> str:
    """A field's value as it is read best."""
    if field in IPV4:
        return address_text(4, value)
    return hardware_text(value) if WIDTHS.get(field) == 48 else f"{value:#x}"
