"""Flows of one table and priority that can take the same packets and do different things: which of them takes such a packet is undefined.

OpenFlow 1.5.1, 5.3: "If there are multiple matching flow entries with the same highest priority, the selected flow entry is explicitly undefined."
"""

from __future__ import annotations

from collections.abc import Iterable

from analyzer.facts.openflow import Conjunction
from analyzer.facts.openvswitch import FlowFact

Tests = tuple[tuple[str, int], ...]
"""The fields that a flow tests, with the bits of each; the port that a packet came by among them."""
PORT = "in_port"


class Ties:
    """Flows by table and priority, and by what they test: those that test the same bits exclude each other by their values."""

    def __init__(self, flows: Iterable[FlowFact]) -> None:
        self.groups: dict[tuple[str, int], dict[Tests, list[FlowFact]]] = {}
        self.indexes: dict[tuple[str, int, Tests, Tests], dict[tuple[int | str, ...], list[FlowFact]]] = {}
        self.found: dict[int, tuple[FlowFact, list[FlowFact]]] = {}
        for flow in flows:
            if not (flow.actions and isinstance(flow.actions[0], Conjunction)):
                self.groups.setdefault((flow.table, flow.priority), {}).setdefault(tests_of(flow), []).append(flow)

    def of(self, flow: FlowFact) -> list[FlowFact]:
        """The flows that could take a packet that this one takes, and do something else."""
        known = self.found.get(id(flow))
        if known is None:
            known = self.found[id(flow)] = flow, self.sought(flow)
        return known[1]

    def sought(self, flow: FlowFact) -> list[FlowFact]:
        """They, looked for."""
        group = self.groups.get((flow.table, flow.priority), {})
        if len(group) < 2:
            return []
        own = tests_of(flow)
        found = [other for tests in group if tests != own for other in self.meeting(flow, own, tests)]
        return [other for other in found if other.actions != flow.actions]

    def meeting(self, flow: FlowFact, own: Tests, tests: Tests) -> list[FlowFact]:
        """Of the flows that test other bits those that agree in the bits that both test."""
        masks = dict(own)
        both = tuple((name, mask & masks[name]) for name, mask in tests if mask & masks.get(name, 0))
        key = (flow.table, flow.priority, tests, both)
        index = self.indexes.get(key)
        if index is None:
            index = self.indexes[key] = {}
            for other in self.groups[flow.table, flow.priority][tests]:
                index.setdefault(values_of(other, both), []).append(other)
        return index.get(values_of(flow, both), [])


def tests_of(flow: FlowFact) -> Tests:
    """The bits that a flow tests."""
    tests = tuple((test.field, test.mask) for test in flow.match)
    return (*tests, (PORT, 1)) if flow.in_port else tests


def values_of(flow: FlowFact, tests: Tests) -> tuple[int | str, ...]:
    """What a flow wants some of them to be."""
    wanted = {test.field: test.value for test in flow.match}
    return tuple(flow.in_port if name == PORT else wanted[name] & mask for name, mask in tests)
