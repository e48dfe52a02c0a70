"""Why a witness is decided as it is: the policies and rules that took part, in words and by their lines."""

from __future__ import annotations

from analyzer.policy.decision import Step
from analyzer.policy.planes import PolicySet
from analyzer.policy.tiers import Direction
from analyzer.query.ask.answers import Witness
from analyzer.query.witness import Line, deciding, explained, nearly


def reasons_of(witness: Witness, policies: PolicySet) -> tuple[list[str], list[Line]]:
    """Why the flow is decided so, and the lines."""
    reasons, lines = [], []
    if witness.decision.exempt:
        return [], []
    for direction in (Direction.EGRESS, Direction.INGRESS):
        for step in deciding(witness.decision, direction):
            text, more = of_step(step, witness, policies)
            reasons.append(text)
            lines += more
    if not reasons and witness.decision.admitted:
        reasons.append("no policy selects the source for egress, nor the destination for ingress")
    return list(dict.fromkeys(reasons)), list(dict.fromkeys((*lines, *nearly(witness.decision))))


def of_step(step: Step, witness: Witness, policies: PolicySet) -> tuple[str, list[Line]]:
    """A step in words, with its lines."""
    subject = witness.source if step.direction is Direction.EGRESS else witness.destination
    fresh = PolicySet(policies.world, policies.planes) if witness.imagined else policies
    return explained(fresh, subject, witness.flow.family, step)
