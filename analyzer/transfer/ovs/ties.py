"""Flows of one priority that take the same packets, in the language: which of them does is a test of which nobody knows whether it holds
(``model/flow_ties``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from analyzer.transfer.ir import If, Opaque, Transfer
from analyzer.transfer.ovs.index import Candidate
from analyzer.transfer.ovs.spots import Spot

if TYPE_CHECKING:
    from analyzer.transfer.ovs.pipeline import Lowering

Rivals = Mapping[int, Sequence[Candidate]]
"""By a flow's identity the flows that are asked after it and could take its packets as well."""
MANY = 16


def rivals(lowering: Lowering, found: Sequence[Candidate]) -> Rivals:
    """The rivals of flows in the order in which they are asked."""
    place = {id(candidate.flow): number for number, candidate in enumerate(found)}
    result: dict[int, list[Candidate]] = {}
    for number, candidate in enumerate(found):
        later = (place.get(id(flow), -1) for flow in lowering.flows.ties.of(candidate.flow))
        if after := sorted(one for one in later if one > number):
            result[id(candidate.flow)] = [found[one] for one in after]
    return result


def body(lowering: Lowering, candidate: Candidate, spot: Spot, against: Rivals) -> Transfer:
    """What a flow does, or what one of its rivals does that matches as well."""
    flow = candidate.flow
    result = lowering.body(flow, spot)
    others = against.get(id(flow), ())
    if len(others) > MANY:
        return lowering.unknown(
            f"which of {len(others) + 1} flows with priority {flow.priority} takes it is not defined",
            lowering.begun(spot, flow.at),
        )
    for other in reversed(others):
        words = f"of two flows of {lowering.flows.switch.name} with priority {flow.priority} the one at {flow.at} takes the packet, not that at {other.flow.at}"
        both = If(Opaque(words, flow.at), result, lowering.body(other.flow, spot), flow.at)
        result = both if isinstance(other.match, bool) else If(other.match, both, result, flow.at)
    return result
