"""Flows that packets of a walk make a switch learn (``learn``; ofproto/ofproto-dpif-xlate.c, ``xlate_learn_action``; lib/learn.c, ``learn_execute``)."""

from __future__ import annotations

from analyzer.facts.openflow import Action, FieldTest, Learn, Load, Output, Subfield
from analyzer.facts.openvswitch import FlowFact
from analyzer.solve.walk.ovs.tables import Tables
from analyzer.solve.walk.ovs.values import Values, parts_of, read
from analyzer.solve.walk.state import Walk
from analyzer.source import Scope, Span

NOWHERE = Span("", 0)


def learn(walk: Walk, scope: Scope, switch: str, action: Learn, values: Values, at: Span | None) -> None:
    """Adds the flow that a packet teaches."""
    tests: dict[str, FieldTest] = {}
    port = ""
    for target, origin in action.tests:
        value = read(values, origin) if isinstance(origin, Subfield) else origin
        if target.field == "in_port":
            port = str(value)
            continue
        for name, low, width, base in parts_of(target):
            mask = ((1 << width) - 1) << low
            before = tests.get(name, FieldTest(name, 0, 0))
            tests[name] = FieldTest(name, before.value | (value >> base) << low & mask, before.mask | mask)
    actions: list[Action] = []
    for target, origin in action.loads:
        value = read(values, origin) if isinstance(origin, Subfield) else origin
        for name, low, width, base in parts_of(target):
            mask = ((1 << width) - 1) << low
            actions.append(Load(name, (value >> base) << low & mask, mask))
    if action.leaves is not None:
        actions.append(Output(str(read(values, action.leaves))))
    flow = FlowFact(
        at=at or NOWHERE,
        scope=scope,
        bridge=switch,
        table=action.table,
        priority=action.priority,
        in_port=port,
        match=tuple(sorted(tests.values())),
        actions=tuple(actions),
    )
    known = walk.flows.setdefault((scope, switch), [])
    known[:] = [other for other in known if tests_of(other) != tests_of(flow)]
    known.append(flow)


def undefined(walk: Walk, tables: Tables, flow: FlowFact, values: Values) -> FlowFact:
    """The flow, or another of its priority that matches as well: which of them takes the packet nobody says."""
    for other in tables.tied(flow, values):
        text = f"of two flows of {tables.switch.name} with priority {flow.priority} the one at {flow.at} takes the packet, not that at {other.at}"
        if not walk.oracle.test(text, flow.at, "OpenFlow does not define it"):
            return other
    return flow


def tests_of(flow: FlowFact) -> tuple[object, ...]:
    """What tells flows apart: one with the same takes the other's place."""
    return flow.table, flow.priority, flow.in_port, flow.match


def taken(walk: Walk, scope: Scope, tables: Tables, table: str, values: Values) -> FlowFact | None:
    """The flow that takes a packet, learned ones among them."""
    best = tables.look_up(table, values)
    best = best if best is None else undefined(walk, tables, best, values)
    for flow in walk.flows.get((scope, tables.switch.name), ()):
        if flow.table != table or (best is not None and best.priority > flow.priority):
            continue
        fits = not flow.in_port or int(flow.in_port) == values.get("in_port", 0)
        if fits and all(values.get(test.field, 0) & test.mask == test.value for test in flow.match):
            best = flow
    return best
