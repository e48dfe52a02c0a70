"""The flows of a switch, to look up: by table, by what is tested (tuple space), by priority; and conjunctions.

After lib/classifier.c (``classifier_lookup__``, ``find_conjunctions``) and ovs-fields(7), "Conjunctive Match Fields".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from analyzer.facts.openflow import LOCAL_PORT, NO_PORT, Conjunction
from analyzer.facts.openvswitch import FlowFact, SwitchPortFact
from analyzer.model.flow_ties import Ties
from analyzer.model.switches import SHORT, Switch
from analyzer.source import Span

Values = Mapping[str, int]
WORDS = {"LOCAL": LOCAL_PORT, "ANY": NO_PORT, "NONE": NO_PORT}


@dataclass(slots=True)
class Subtable:
    """The flows that test the same bits of the same fields, by the values of these; for each the flows by priority, the highest first."""

    tests: tuple[tuple[str, int], ...]
    highest: int = -1
    flows: dict[tuple[int, ...], list[FlowFact]] = field(default_factory=dict)

    def found(self, values: Values) -> list[FlowFact]:
        """The flows that match."""
        return self.flows.get(tuple([values.get(name, 0) & mask for name, mask in self.tests]), [])


@dataclass(slots=True)
class Classifier:
    """The flows of one table."""

    subtables: list[Subtable] = field(default_factory=list)

    def best(self, values: Values) -> FlowFact | None:
        """The flow of the highest priority that matches."""
        best: FlowFact | None = None
        for subtable in self.subtables:
            if best is not None and best.priority >= subtable.highest:
                return best
            flows = subtable.found(values)
            if flows and (best is None or flows[0].priority > best.priority):
                best = flows[0]
        return best

    def every(self, values: Values, above: int) -> list[FlowFact]:
        """All flows that match, of a priority above one."""
        return [
            flow
            for subtable in self.subtables
            if subtable.highest > above
            for flow in subtable.found(values)
            if flow.priority > above
        ]


class Tables:
    """A switch with its flows prepared."""

    def __init__(self, switch: Switch) -> None:
        self.switch = switch
        self.numbers: dict[int, SwitchPortFact] = {}
        for port in switch.ports.values():
            if port.number is not None and port.number >= 0:
                self.numbers.setdefault(port.number, port)
        local = switch.ports.get(switch.name)
        if local is not None:
            self.numbers.setdefault(LOCAL_PORT, local)

    def number(self, name: str) -> int | None:
        """The number of a port, by number, word or name (also cut off); None: it is not known."""
        if name.isdecimal():
            return int(name)
        if name in WORDS:
            return WORDS[name]
        port = self.switch.ports.get(name)
        if port is None:
            short = [one for key, one in self.switch.ports.items() if key[:SHORT] == name]
            port = short[0] if len(short) == 1 else None
        return None if port is None else self.number_of(port)

    def number_of(self, port: SwitchPortFact) -> int | None:
        """The number of a port; of one that was not listed with its number a number that no other has, where flows call ports by name."""
        if port.number is not None and port.number >= 0:
            return port.number
        if port.name == self.switch.name:
            return LOCAL_PORT
        return self.invented.get(port.name)

    @cached_property
    def invented(self) -> dict[str, int]:
        """Numbers for ports without one. Where a flow calls any port by its number, there are none."""
        flows = self.switch.flows or ()
        if any(flow.in_port.isdecimal() for flow in flows):
            return {}
        missing = [name for name, port in self.switch.ports.items() if port.number is None and name != self.switch.name]
        return {name: 0xFE00 - place for place, name in enumerate(missing)}

    @cached_property
    def port_of(self) -> dict[int, SwitchPortFact]:
        """The ports by number, invented ones among them."""
        return {**{number: self.switch.ports[name] for name, number in self.invented.items()}, **self.numbers}

    @cached_property
    def tables(self) -> dict[str, tuple[Classifier, Classifier]]:
        """For each table the flows that do something, and those that are clauses of conjunctions."""
        flows: dict[str, tuple[list[FlowFact], list[FlowFact]]] = {}
        for flow in self.switch.flows or ():
            pair = flows.setdefault(flow.table, ([], []))
            pair[bool(flow.actions) and isinstance(flow.actions[0], Conjunction)].append(flow)
        return {table: (self.classifier(hard), self.classifier(soft)) for table, (hard, soft) in flows.items()}

    def classifier(self, flows: Iterable[FlowFact]) -> Classifier:
        """Flows by what they test. One of a port that the switch does not have matches nothing."""
        found: dict[tuple[tuple[str, int], ...], Subtable] = {}
        for flow in flows:
            tests = [(test.field, test.mask) for test in flow.match]
            values = [test.value for test in flow.match]
            if flow.in_port:
                number = self.number(flow.in_port)
                if number is None:
                    continue
                tests.append(("in_port", 0xFFFFFFFF))
                values.append(number)
            key = tuple(tests)
            subtable = found.get(key)
            if subtable is None:
                subtable = found[key] = Subtable(key)
            subtable.highest = max(subtable.highest, flow.priority)
            subtable.flows.setdefault(tuple(values), []).append(flow)
        for subtable in found.values():
            for same in subtable.flows.values():
                same.sort(key=lambda flow: -flow.priority)
        return Classifier(sorted(found.values(), key=lambda subtable: -subtable.highest))

    @cached_property
    def ties(self) -> Ties:
        """The flows of which it is not defined which takes a packet."""
        return Ties(self.switch.flows or ())

    def tied(self, flow: FlowFact, values: Values) -> list[FlowFact]:
        """The flows of the same priority that also match a packet, and do something else."""
        wanted = next((test.value for test in flow.match if test.field == "conj_id"), None)
        seen = values if wanted is None else {**values, "conj_id": wanted}
        return [other for other in self.ties.of(flow) if self.matches(other, seen)]

    def matches(self, flow: FlowFact, values: Values) -> bool:
        """Whether a flow matches a packet."""
        if flow.in_port and self.number(flow.in_port) != values.get("in_port", 0):
            return False
        return all(values.get(test.field, 0) & test.mask == test.value for test in flow.match)

    def look_up(self, table: str, values: Values) -> FlowFact | None:
        """The flow that takes the packet in a table; None: there is none."""
        pair = self.tables.get(table)
        if pair is None:
            return None
        hard, soft = pair
        best = hard.best(values)
        if not soft.subtables:
            return best
        clauses = soft.every(values, best.priority if best is not None else -1)
        for identifier in complete(clauses):
            found = hard.best({**values, "conj_id": identifier})
            if found is not None:
                return found
        return best


def complete(flows: Iterable[FlowFact]) -> list[int]:
    """The conjunctions of which every clause matches, those of the highest priority first."""
    seen: dict[tuple[int, int], set[int]] = {}
    wanted: dict[tuple[int, int], int] = {}
    for flow in flows:
        for action in flow.actions:
            if isinstance(action, Conjunction):
                key = (-flow.priority, action.identifier)
                seen.setdefault(key, set()).add(action.clause)
                wanted[key] = action.clauses
    return [key[1] for key in sorted(seen) if len(seen[key]) == wanted[key]]


class Switches:
    """The switches of a namespace whose flows are known, by the device or port that leads into them."""

    def __init__(self, found: Mapping[str, Switch]) -> None:
        self.every = tuple(Tables(switch) for switch in found.values() if switch.flows is not None)
        self.at: Span | None = next((switch.at for switch in found.values()), None)
        self._blind = {port: switch.name for switch in found.values() if switch.flows is None for port in switch.ports}
        self._ports = {name: (tables, port) for tables in self.every for name, port in tables.switch.ports.items()}

    def port(self, device: str) -> tuple[Tables, SwitchPortFact] | None:
        """The port that a device is, and its switch; None: it is none of a switch whose flows are known."""
        return self._ports.get(device)

    def inner(self, device: str) -> tuple[Tables, SwitchPortFact] | None:
        """The same of a switch's own port into the host."""
        found = self._ports.get(device)
        return found if found is not None and found[1].kind == "internal" else None

    def behind(self, device: str) -> tuple[str, ...]:
        """The ports into the host of the switch that a device of the host is a port of."""
        found = self._ports.get(device)
        if found is None or found[1].kind:
            return ()
        return tuple(name for name, port in found[0].switch.ports.items() if port.kind == "internal")

    def blind(self, port: str) -> str:
        """The switch of a port whose flows were not captured; empty: there is none."""
        return self._blind.get(port, "")
