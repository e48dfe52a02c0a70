"""What rules ask of the flows of Open vSwitch."""

from __future__ import annotations

from analyzer.facts.openvswitch import FlowFact
from analyzer.model.flow_ties import Ties

__all__ = ["FlowFact", "Ties"]
