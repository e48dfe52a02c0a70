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

from analyzer.query.state import roots
from analyzer.query.switches import FlowFact, Ties
from analyzer.rule import Finding, Network, Rule, Severity

LEFT_BY_OTHERS = ("reg", "metadata", "ct_", "tun_", "conj_id")


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        for switch in root.switches.values():
            groups: dict[tuple[str, int], list[FlowFact]] = {}
            for flow in switch.flows or ():
                if of_packet(flow):
                    groups.setdefault((flow.table, flow.priority), []).append(flow)
            for (table, priority), flows in sorted(groups.items()):
                pair = first_pair(flows)
                if pair is not None:
                    one, other = pair
                    text = f"{switch.name} of {root.scope.node}: two flows of table {table} with priority {priority} take the same packets and do different things"
                    yield RULE.finding(other.at, text, related=[(one.at, "the other")], help="give them different priorities")


def first_pair(flows: Sequence[FlowFact]) -> tuple[FlowFact, FlowFact] | None:
    """The first two flows that can take one packet and differ in what they do."""
    ties = Ties(flows)
    return next(((flow, min(others, key=lambda other: other.at)) for flow in flows if (others := ties.of(flow))), None)


def of_packet(flow: FlowFact) -> bool:
    """Whether a flow tests the packet only. What earlier tables and conntrack leave in registers may exclude each other: that is not looked at."""
    return not any(test.field.startswith(LEFT_BY_OTHERS) for test in flow.match)


RULE = Rule("switch-flows-ambiguous", Severity.WARNING, __doc__, check)
