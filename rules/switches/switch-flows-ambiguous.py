"""Two flows of Open vSwitch with one priority take the same packets and do different things.

## What it finds
Flows of one table and priority that test the packet only (no register, nothing of conntrack), whose tests can hold for one packet, and whose actions differ.

## Why it matters
Which of them takes such a packet is undefined: it may change with the next restart. OpenFlow leaves it open, and Open vSwitch keeps no order among them.

## Example
    priority=100,tcp,tp_dst=80 actions=output:2
    priority=100,ip,nw_src=10.0.0.5 actions=drop

## How to mend
Give the more specific flow a higher priority, or make the tests exclude each other.

## Sources
OpenFlow 1.5.1, 5.3 ("If there are multiple matching flow entries with the same highest priority, the selected flow entry is explicitly undefined"); ovs-ofctl(8), "Flow Syntax".
"""

from collections.abc import Iterator, Sequence
from itertools import combinations

from analyzer.query.state import roots
from analyzer.query.switches import FlowFact, acts
from analyzer.rule import Finding, Network, Rule, Severity

MANY = 60
LEFT_BY_OTHERS = ("reg", "metadata", "ct_", "tun_", "conj_id")


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        for switch in root.switches.values():
            groups: dict[tuple[str, int], list[FlowFact]] = {}
            for flow in switch.flows or ():
                groups.setdefault((flow.table, flow.priority), []).append(flow)
            for (table, priority), flows in sorted(groups.items()):
                pair = first_pair(flows) if len(flows) <= MANY else None
                if pair is not None:
                    one, other = pair
                    text = f"{switch.name} of {root.scope.node}: two flows of table {table} with priority {priority} take the same packets and do different things"
                    yield RULE.finding(other.at, text, related=[(one.at, "the other")], help="give them different priorities")


def first_pair(flows: Sequence[FlowFact]) -> tuple[FlowFact, FlowFact] | None:
    """The first two flows that can take one packet and differ in what they do. Clauses of conjunctions do nothing of their own."""
    for one, other in combinations(filter(acts, flows), 2):
        if one.actions != other.actions and meet(one, other):
            return one, other
    return None


def meet(one: FlowFact, other: FlowFact) -> bool:
    """Whether the tests of both can hold for one packet. What earlier tables and conntrack leave in registers may exclude each other: that is not looked at."""
    if any(test.field.startswith(LEFT_BY_OTHERS) for flow in (one, other) for test in flow.match):
        return False
    if one.in_port and other.in_port and one.in_port != other.in_port:
        return False
    tests = {test.field: test for test in one.match}
    for test in other.match:
        mine = tests.get(test.field)
        if mine is not None and mine.value & test.mask != test.value & mine.mask:
            return False
    return True


RULE = Rule("switch-flows-ambiguous", Severity.WARNING, __doc__, check)
