"""What rules ask of the flows of Open vSwitch."""

from __future__ import annotations

from analyzer.facts.openflow import Conjunction
from analyzer.facts.openvswitch import FlowFact

__all__ = ["FlowFact", "acts"]


def acts(flow: FlowFact) -> bool:
    """Whether a flow does something of its own: a clause of a conjunction does not."""
    return not any(isinstance(action, Conjunction) for action in flow.actions)
