"""The flows of a switch as the lowering looks them up: those that can take a packet of which something is known, with what is left to test.

After ovs-fields(7) and lib/classifier.c. Flows are found by what they test of registers and the like; what they test of the packet becomes a test of the language.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from analyzer.facts.openflow import (
    Action,
    CheckLarger,
    Choose,
    Clone,
    Conjunction,
    Conntrack,
    FieldTest,
    Goto,
    Group,
    Learn,
    Load,
    Move,
    Output,
    Pop,
    Push,
    Resubmit,
    Subfield,
    WriteActions,
)
from analyzer.facts.openvswitch import FlowFact
from analyzer.model.flow_ties import Ties
from analyzer.model.switches import SHORT, Switch
from analyzer.transfer.ir import All, Any, Match
from analyzer.transfer.ovs.knowledge import ADDRESSES, OF_PACKET, Value, gathered, parts_of, value_of

LOCAL = 65534
NUMBERS = {"LOCAL": LOCAL, "ANY": 0xFFFF, "NONE": 0xFFFF}


class Candidate(NamedTuple):
    """A flow that can take the packet, and what is left to test of it."""

    flow: FlowFact
    match: Match | bool


class Entry(NamedTuple):
    """A flow in its place: the higher its priority the earlier."""

    order: int
    flow: FlowFact
    rest: tuple[FieldTest, ...]


@dataclass(slots=True)
class Alike:
    """Flows that test the same bits of what is not the packet's, by the values."""

    tests: tuple[tuple[str, int], ...]
    entries: dict[tuple[int, ...], list[Entry]] = field(default_factory=dict)

    def found(self, known: Mapping[str, Value], family: int) -> list[Entry]:
        """The flows whose values these are; all, where one of them is not known."""
        values = [value_of(known, name, family) for name, _ in self.tests]
        if all(isinstance(value, int) for value in values):
            key = tuple(value & mask for value, (_, mask) in zip(values, self.tests, strict=True) if isinstance(value, int))
            return self.entries.get(key, [])
        return [self.whole(key, entry) for key, entries in self.entries.items() for entry in entries]

    def whole(self, key: tuple[int, ...], entry: Entry) -> Entry:
        """A flow with all its tests."""
        own = (FieldTest(name, value, mask) for (name, mask), value in zip(self.tests, key, strict=True))
        return entry._replace(rest=(*own, *entry.rest))


class Flows:
    """A switch prepared for the lowering."""

    def __init__(self, switch: Switch, family: int) -> None:
        self.switch, self.family = switch, family
        self.by_number = {port.number: port for port in switch.ports.values() if port.number is not None and port.number >= 0}
        if switch.name in switch.ports:
            self.by_number.setdefault(LOCAL, switch.ports[switch.name])
        if not any(flow.in_port.isdecimal() for flow in switch.flows or ()):
            nameless = [port for name, port in switch.ports.items() if port.number is None and name != switch.name]
            self.by_number |= {0xFE00 - place: port for place, port in enumerate(nameless)}
        self.numbers = {port.name: number for number, port in self.by_number.items()}

    def number(self, text: str) -> int | None:
        """The number of a port by its number, word or name, which may be cut off."""
        if text.isdecimal():
            return int(text)
        if text in NUMBERS:
            return NUMBERS[text]
        found = [number for name, number in self.numbers.items() if name == text or name[:SHORT] == text]
        return found[0] if len(found) == 1 or text in self.numbers else None

    @cached_property
    def ties(self) -> Ties:
        """The flows of which it is not defined which takes a packet."""
        return Ties(self.switch.flows or ())

    @cached_property
    def packet_fields(self) -> frozenset[str]:
        """The fields that stay fields of the language."""
        return frozenset({*OF_PACKET, *ADDRESSES[self.family]})

    @cached_property
    def tables(self) -> dict[str, tuple[list[Alike], list[Alike]]]:
        """Of each table the flows that do something, and the clauses of conjunctions."""
        by_table: dict[str, list[FlowFact]] = {}
        for flow in self.switch.flows or ():
            by_table.setdefault(flow.table, []).append(flow)
        return {table: (self.grouped(flows, False), self.grouped(flows, True)) for table, flows in by_table.items()}

    def grouped(self, flows: Iterable[FlowFact], clauses: bool) -> list[Alike]:
        """Flows by what they test of what is not the packet's."""
        found: dict[tuple[tuple[str, int], ...], Alike] = {}
        ordered = sorted(flows, key=lambda flow: -flow.priority)
        for order, flow in enumerate(ordered):
            if (bool(flow.actions) and isinstance(flow.actions[0], Conjunction)) is not clauses:
                continue
            tests = list(flow.match)
            if flow.in_port:
                number = self.number(flow.in_port)
                if number is None:
                    continue
                tests.append(FieldTest("in_port", number, 0xFFFFFFFF))
            apart = [test for test in tests if test.field not in self.packet_fields]
            rest = tuple(test for test in tests if test.field in self.packet_fields)
            key = tuple((test.field, test.mask) for test in apart)
            group = found.setdefault(key, Alike(key))
            group.entries.setdefault(tuple(test.value for test in apart), []).append(Entry(order, flow, rest))
        return list(found.values())

    def candidates(self, table: str, known: Mapping[str, Value]) -> Iterator[Candidate]:
        """The flows that can take the packet, in the order in which they are asked, up to one that takes it whatever else it is, and its rivals."""
        hard, soft = self.tables.get(table, ([], []))
        found = [
            (entry.flow.priority, entry.order, entry.flow, entry.rest)
            for group in hard
            for entry in group.found(known, self.family)
        ]
        asked = sorted(found, key=lambda item: (-item[0], item[1]))
        together = self.conjunctions(hard, soft, known) if soft else []
        for priority, order, flow, rest in asked:
            while together and together[0][0] >= priority:
                yield together.pop(0)[1]
            match = self.tested(rest, known)
            if match is False:
                continue
            yield Candidate(flow, match)
            if match is True:
                rivals = set(map(id, self.ties.of(flow)))
                left = [(other, more) for _, place, other, more in asked if place > order and id(other) in rivals]
                last = (Candidate(other, self.tested(more, known)) for other, more in left)
                yield from (candidate for candidate in last if candidate.match is not False)
                return
        yield from (candidate for _, candidate in together)

    def tested(self, tests: Iterable[FieldTest], known: Mapping[str, Value]) -> Match | bool:
        """All of some tests."""
        left: list[Match] = []
        for match in gathered(known, tests, self.family):
            if match is False:
                return False
            if match is not True:
                left.append(match)
        return left[0] if len(left) == 1 else All(tuple(left)) if left else True

    def conjunctions(self, hard: list[Alike], soft: list[Alike], known: Mapping[str, Value]) -> list[tuple[int, Candidate]]:
        """The flows of conjunctions, each with its clauses: every one must hold, and each does by any of its flows."""
        clauses: dict[tuple[int, int], dict[int, list[Match | bool]]] = {}
        wanted: dict[tuple[int, int], int] = {}
        for entry in sorted(entry for group in soft for entry in group.found(known, self.family)):
            match = self.tested(entry.rest, known)
            for action in entry.flow.actions if match is not False else ():
                if isinstance(action, Conjunction):
                    key = (-entry.flow.priority, action.identifier)
                    wanted[key] = action.clauses
                    clauses.setdefault(key, {}).setdefault(action.clause, []).append(match)
        result = []
        for key in sorted(clauses):
            if len(clauses[key]) == wanted[key]:
                parts = [
                    Any(tuple(one for one in some if not isinstance(one, bool)))
                    for some in clauses[key].values()
                    if True not in some
                ]
                with_id = {**known, "conj_id": key[1]}
                result += [(-key[0], Candidate(flow, joined(match, parts))) for flow, match in self.of_conjunction(hard, with_id)]
        return result

    def of_conjunction(self, hard: list[Alike], known: Mapping[str, Value]) -> list[Candidate]:
        """The flows that a complete conjunction leads to."""
        entries = sorted(entry for group in hard for entry in group.found(known, self.family))
        found = []
        for entry in entries:
            match = self.tested(entry.rest, known)
            if match is not False:
                found.append(Candidate(entry.flow, match))
            if match is True:
                break
        return found

    @cached_property
    def learns(self) -> dict[str, list[tuple[Learn, FlowFact]]]:
        """What teaches each table flows, with the flow that does."""
        found: dict[str, list[tuple[Learn, FlowFact]]] = {}
        for flow in self.switch.flows or ():
            buckets = (
                b.actions for g in groups_of(flow.actions) if g in self.switch.groups for b in self.switch.groups[g].buckets
            )
            for action in (one for actions in (flow.actions, *buckets) for one in every(actions) if isinstance(one, Learn)):
                found.setdefault(action.table, []).append((action, flow))
        return found

    @cached_property
    def by_port(self) -> frozenset[str]:
        """The tables in which, or beyond which, a flow asks for the port that the packet came by."""
        found = {flow.table for flow in self.switch.flows or () if flow.in_port}
        for table, taught in self.learns.items():
            found |= {table for action, _ in taught if any(target.field == "in_port" for target, _ in action.tests)}
            found |= {flow.table for action, flow in taught if "in_port" in read_by(action)}
        before = -1
        while len(found) != before:
            before = len(found)
            found |= {table for table, edges in self.edges.items() if any(to in found for to, _ in edges)}
        return frozenset(found)

    @cached_property
    def zones(self) -> tuple[frozenset[str], frozenset[int]]:
        """The fields that name conntrack zones, and the zones that are named by number."""
        actions = [action for flow in self.switch.flows or () for action in flow.actions]
        actions += [action for group in self.switch.groups.values() for bucket in group.buckets for action in bucket.actions]
        looked = [action.zone for action in every(actions) if isinstance(action, Conntrack)]
        fields = {name for zone in looked if isinstance(zone, Subfield) for name in names_of(zone)}
        return frozenset(fields), frozenset(zone for zone in looked if isinstance(zone, int))

    @cached_property
    def edges(self) -> dict[str, set[Edge]]:
        """Where each table leads, with the fields that are written on the way."""
        return {table: found[1] for table, found in self.summaries.items()}

    @cached_property
    def summaries(self) -> dict[str, tuple[set[str], set[Edge]]]:
        """Of each table the fields that its flows test or read, and where they lead."""
        found: dict[str, tuple[set[str], set[Edge]]] = {}
        for flow in self.switch.flows or ():
            fields, edges = found.setdefault(flow.table, (set(), set()))
            fields.update(test.field for test in flow.match)
            if flow.in_port:
                fields.add("in_port")
            summarised(flow.actions, flow.table, set(), fields, edges)
            for number in groups_of(flow.actions):
                for bucket in self.switch.groups[number].buckets if number in self.switch.groups else ():
                    summarised(bucket.actions, flow.table, set(), fields, edges)
        for table, taught in self.learns.items():
            fields, _ = found.setdefault(table, (set(), set()))
            for action, _ in taught:
                fields.update(name for target, _ in (*action.tests, *action.loads) for name in names_of(target))
                fields.update(SENT if action.leaves is not None else ())
        return found

    @cached_property
    def live(self) -> dict[str, frozenset[str]]:
        """The fields that matter in a table, or in one that it leads to, unless they are written on the way."""
        own = {table: set(fields) for table, (fields, _) in self.summaries.items()}
        changed = True
        while changed:
            changed = False
            for table, edges in self.edges.items():
                before = len(own[table])
                for to, written in edges:
                    own[table] |= own.get(to, set()) - written
                changed |= len(own[table]) != before
        return {table: frozenset(fields) for table, fields in own.items()}


Edge = tuple[str, frozenset[str]]
OF_CONNECTION = frozenset(
    {
        *("ct_state", "ct_zone", "ct_mark", "ct_label", "ct_nw_src", "ct_nw_dst", "ct_ipv6_src", "ct_ipv6_dst"),
        *("ct_nw_proto", "ct_tp_src", "ct_tp_dst"),
    }
)
"""What ``ct`` says anew of a packet that goes on in its table."""


def summarised(actions: Iterable[Action], table: str, written: set[str], fields: set[str], edges: set[Edge]) -> None:
    """Adds what actions read before they write it, and where they lead."""
    for action in actions:
        match action:
            case Clone(inner) | WriteActions(inner):
                summarised(inner, table, set(written), fields, edges)
                continue
            case Load(name, _, mask) if not name.startswith("x") and mask & 0xFFFFFFFF == 0xFFFFFFFF:
                written.add(name)
                continue
            case Load(name, _, mask) if name.startswith("x"):
                parts = parts_of(Subfield(name, 0, 128 if name.startswith("xx") else 64))
                written |= {part for part, _, _, base in parts if mask >> base & 0xFFFFFFFF == 0xFFFFFFFF}
                fields |= {part for part, _, _, base in parts if mask >> base & 0xFFFFFFFF not in (0, 0xFFFFFFFF)} - written
                continue
        fields |= read_by(action) - written
        more = OF_CONNECTION if isinstance(action, Conntrack) else frozenset()
        edges |= {(to, frozenset(written | more)) for to in tables_of(action, table)}


def every(actions: Iterable[Action]) -> Iterator[Action]:
    """Actions with those inside them."""
    for action in actions:
        yield action
        if isinstance(action, Clone | WriteActions):
            yield from every(action.actions)


def joined(match: Match | bool, parts: list[Any]) -> Match | bool:
    """A match with the clauses of a conjunction."""
    every: list[Match] = [*([match] if not isinstance(match, bool) else []), *parts]
    return every[0] if len(every) == 1 else All(tuple(every)) if every else True


def names_of(part: Subfield) -> set[str]:
    """The fields that a part is kept in."""
    return {name for name, _, _, _ in parts_of(part)}


def read_by(action: Action) -> set[str]:
    """The fields that an action reads. Tunnels read what a flow has set of them, and a port that a packet leaves by the one it came by."""
    match action:
        case Move(origin):
            return names_of(origin)
        case Push(origin):
            return names_of(origin)
        case Output(Subfield() as part):
            return {*names_of(part), *SENT}
        case Output() | Group():
            return set(SENT)
        case Conntrack(zone, _, _, _, _, executed):
            inner = {name for one in executed for name in read_by(one)}
            return inner | (names_of(zone) if isinstance(zone, Subfield) else set())
        case Clone(actions) | WriteActions(actions):
            return {name for one in actions for name in read_by(one)}
        case Load(name, _, mask) if mask != (1 << 128) - 1:
            return names_of(Subfield(name, 0, 128 if name.startswith("xxreg") else 64 if name.startswith("xreg") else 32))
        case Learn(_, _, tests, loads, leaves):
            told = [origin for _, origin in (*tests, *loads) if isinstance(origin, Subfield)]
            return {name for part in (*told, *([leaves] if leaves else [])) for name in names_of(part)}
        case CheckLarger(_, part) | Choose(_, part) | Pop(part):
            return names_of(part)
        case _:
            return set()


SENT = frozenset({"in_port", "tun_id", "tun_dst", "tun_src", "tun_metadata0", "tun_ipv6_dst"})


def tables_of(action: Action, table: str) -> set[str]:
    """The tables that an action leads to."""
    match action:
        case Resubmit(_, to):
            return {to or table}
        case Goto(to):
            return {to}
        case Conntrack(table=str(to)) if to:
            return {to}
        case Clone(actions) | WriteActions(actions):
            return {one for inner in actions for one in tables_of(inner, table)}
        case _:
            return set()


def groups_of(actions: Iterable[Action]) -> Iterator[int]:
    """The groups that actions lead to."""
    for action in actions:
        match action:
            case Group(number):
                yield number
            case Clone(inner) | WriteActions(inner):
                yield from groups_of(inner)
            case _:
                continue
