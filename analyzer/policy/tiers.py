"""What decides over a flow, and in which order: planes of tiers of policies of rules.

Every kind of policy is brought into this one shape:

- A flow passes when every *plane* lets it pass, in both directions: out of its source (egress) and into its destination (ingress).
- In a plane the *tiers* are asked in their order, in a tier the policies that select the subject (the source of egress, the destination
  of ingress) in theirs, in a policy its rules. The first rule that matches decides: ALLOW and DENY are final in the direction,
  PASS goes on with the next tier, LOG does nothing.
- Which of several policies of one ``order`` is asked first is not known; where they could disagree, each of them may decide.
- At the end of a tier a flow that no rule has matched is denied where a policy selects the subject and *isolates* it, and
  ``Tier.end`` is DENY; else the next tier is asked.
- What is left after the last tier has ``Plane.default``.

Unions fit in as rules that only allow (NetworkPolicy); deny before allow (Cilium, Istio) as two policies of one object, of which the
denying one comes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby

from analyzer.policy.terms import ANY_TRAFFIC, EVERYONE, Peer, Traffic
from analyzer.source import Span


class Action(StrEnum):
    """What a rule does with a flow that it matches, and what the end of a tier does."""

    ALLOW = "allow"
    DENY = "deny"
    PASS = "pass"
    LOG = "log"


class Direction(StrEnum):
    """EGRESS: out of the subject. INGRESS: into it."""

    INGRESS = "ingress"
    EGRESS = "egress"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a policy in one direction.

    ``peer`` tests the other end, ``own`` the subject, further than the policy's own selection does. ``provided`` are conditions in words under
    which an allowed flow gets what it wants (rules on HTTP requests): they are told, and decide nothing here.
    """

    action: Action
    peer: Peer
    at: Span = field(compare=False)
    traffic: Traffic = ANY_TRAFFIC
    own: Peer = EVERYONE
    name: str = ""
    provided: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """What a policy says in a direction. ``isolates``: what its rules do not match meets the end of the tier."""

    rules: tuple[Rule, ...]
    isolates: bool = True


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy: whom it selects and its rules by direction; None where it says nothing in a direction.

    ``tier`` is the name of its tier in ``plane``; ``order`` sorts policies within a tier, ascending, by any tuple of numbers and texts that
    the policies of the tier share. ``readable`` False: it stands for an object that cannot be read, and nothing can be said of its rules.
    """

    kind: str
    namespace: str
    name: str
    at: Span = field(compare=False)
    subject: Peer
    ingress: Rules | None
    egress: Rules | None
    tier: str = "default"
    order: tuple[float, str] = (0.0, "")
    plane: str = "cluster"
    readable: bool = True

    def __hash__(self) -> int:
        """By its name alone: policies are looked up often, and their rules are long."""
        return hash((self.kind, self.namespace, self.name))

    def direction(self, direction: Direction) -> Rules | None:
        """What it says in the direction."""
        return self.ingress if direction is Direction.INGRESS else self.egress

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class TierOrder:
    """Where a tier stands among the tiers of its plane (lower first), and what its end does with an isolated subject's flows."""

    name: str
    order: float
    end: Action = Action.DENY
    plane: str = "cluster"


@dataclass(frozen=True, slots=True)
class Tier:
    """Policies in their order, and what the end of the tier does with flows of an isolated subject: DENY or PASS."""

    name: str
    policies: tuple[Policy, ...]
    end: Action = Action.DENY

    def tied(self, direction: Direction) -> Iterator[tuple[Policy, ...]]:
        """The policies in their order. Together: those of one order whose rules in the direction do not all do the same."""
        for _, group in groupby(self.policies, lambda policy: policy.order):
            together = tuple(group)
            if len(together) > 1 and len(actions(together, direction)) > 1:
                yield together
            else:
                yield from ((policy,) for policy in together)


def actions(policies: Iterable[Policy], direction: Direction) -> set[Action]:
    """What the rules of the policies do in the direction."""
    found = (policy.direction(direction) for policy in policies)
    return {rule.action for rules in found if rules is not None for rule in rules.rules} - {Action.LOG}


@dataclass(frozen=True, slots=True)
class Plane:
    """Tiers in their order. Planes are independent: each must let a flow pass."""

    name: str
    tiers: tuple[Tier, ...]
    default: Action = Action.ALLOW
