"""What policies decide over one flow, and why: every policy that took part, the rule that decided, and what almost matched.

The plain reading of ``tiers.py``, one flow at a time. ``factors.py`` reads the same for all flows at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from analyzer.policy.entities import Asked, Entity, Flow
from analyzer.policy.evaluation import holds, matches
from analyzer.policy.planes import PolicySet, Selected
from analyzer.policy.profiles import Profile
from analyzer.policy.terms import Kind, all_of, any_of
from analyzer.policy.tiers import Action, Direction, Plane, Policy, Rule, Tier, actions

ONE_IS_ENOUGH = "what a pod sends to itself through a service passes by the rules of one direction"


@dataclass(frozen=True, slots=True)
class Step:
    """Something that took part. ``rule`` None: the end of a tier or of a plane; ``certain`` False: whether it applies is not known.

    ``final``: the flow ends here in this direction (or may end, where it is not certain)."""

    direction: Direction
    plane: str
    tier: str
    policy: Policy | None
    rule: Rule | None
    action: Action
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Near:
    """A rule that did not match, though its peers or its ports did; ``missed`` says which did not: ``peer`` or ``port``."""

    direction: Direction
    policy: Policy
    rule: Rule
    missed: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer: True admitted, False denied, None not known. ``exempt`` says why policies are not asked, where they are not."""

    admitted: bool | None
    steps: tuple[Step, ...] = ()
    near: tuple[Near, ...] = ()
    exempt: str = ""


def decide(policies: PolicySet, source: Entity, destination: Entity, flow: Flow, asked: Asked | None = None) -> Decision:
    """What the policies decide over a flow between two entities; ``asked`` is the service by which the destination is reached."""
    profile = policies.world.profile
    exempt = exemption(profile, source, destination) if asked is None else through_service(profile, source, destination)
    if exempt:
        return Decision(True, exempt=exempt)
    out = leaving(policies, source, destination, flow, asked)
    into = list(walks_of(policies, Direction.INGRESS, source, destination, flow))
    if asked is not None and source is destination and source.replicas == 1 and profile.own_service_by_either:
        return by_either(out[-1], into)
    walks = [*out[-1], *into]
    steps = tuple(step for walk in walks for step in walk.steps)
    near = tuple(item for walk in walks for item in walk.near)
    each = {all_of(walk.admitted for walk in [*one, *into]) for one in out}
    walked = each.pop() if len(each) == 1 else None
    perhaps = doubt(profile, source, destination) if asked is None or source is not destination else own_service(profile)
    return Decision(any_of((perhaps, walked)), steps, near)


def by_either(out: list[Walk], into: list[Walk]) -> Decision:
    """A flow of a pod to itself, for which the rules of one direction are enough; of those that admit it where the others do not, they alone are told."""
    values = [all_of(walk.admitted for walk in way) for way in (out, into)]
    told = [way for way, value in zip((out, into), values, strict=True) if value] or [out, into]
    walks = [walk for way in told for walk in way]
    steps = tuple(step for walk in walks for step in walk.steps)
    exempt = ONE_IS_ENOUGH if len(told) == 1 else ""
    return Decision(any_of(values), steps, tuple(item for walk in walks for item in walk.near), exempt)


def leaving(policies: PolicySet, source: Entity, destination: Entity, flow: Flow, asked: Asked | None) -> list[list[Walk]]:
    """The ways out of the source: with what egress may be held against, the service that is asked or the destination behind it."""
    sees = policies.world.profile.egress_sees_service if asked is not None else False
    found = []
    if asked is not None and sees is not False:
        found.append(list(walks_of(policies, Direction.EGRESS, source, asked.entity, asked.flow)))
    if sees is not True:
        reached = destination if asked is None else replace(destination, asked=asked.entity.name.removeprefix("svc:"))
        found.append(list(walks_of(policies, Direction.EGRESS, source, reached, flow)))
    return found


def through_service(profile: Profile, source: Entity, destination: Entity) -> str:
    """Why policies are not asked about a flow through a service."""
    if source is not destination:
        return exemption(profile, source, destination)
    return "a pod always reaches itself, through a service too" if profile.own_service_admitted and source.replicas == 1 else ""


def own_service(profile: Profile) -> bool | None:
    """Whether a pod that asks for itself through a service may be exempt: None where systems differ."""
    return None if profile.own_service_admitted is None else False


def doubt(profile: Profile, source: Entity, destination: Entity) -> bool | None:
    """None where the two may be exempt, False where they are not: a pod and the node that it may run on."""
    ends = {source.kind, destination.kind}
    may_share = not source.node or not destination.node or source.node == destination.node
    return None if own_node_passes(profile, source) is not False and ends == {Kind.POD, Kind.HOST} and may_share else False


def walks_of(policies: PolicySet, direction: Direction, source: Entity, destination: Entity, flow: Flow) -> Iterator[Walk]:
    """The way through each plane in a direction."""
    selecting = policies.selecting(source if direction is Direction.EGRESS else destination, flow.family, direction)
    first = 0
    for plane in policies.planes:
        yield Walk(direction, source, destination, flow).through(plane, selecting[first : first + len(plane.tiers)])
        first += len(plane.tiers)


def exemption(profile: Profile, source: Entity, destination: Entity) -> str:
    """Why policies are not asked about two entities: a pod always reaches itself, and its own node where the profile says so."""
    if source is destination and source.replicas == 1:
        return "a pod always reaches itself"
    kinds = {source.kind, destination.kind}
    if own_node_passes(profile, source) and kinds == {Kind.POD, Kind.HOST} and source.node and source.node == destination.node:
        return "traffic between a pod and the node it runs on always passes"
    return ""


def own_node_passes(profile: Profile, source: Entity) -> bool | None:
    """Whether traffic between a pod and the node it runs on passes whatever policies say, when it comes from the source."""
    asked = profile.own_node_asks_egress if source.kind is Kind.POD else profile.own_node_can_be_denied
    if asked:
        return False
    return None if asked is None and profile.own_node_admitted else profile.own_node_admitted


class Walk:
    """The way of a flow through the tiers in one direction. ``ends`` are the actions that it can end with."""

    def __init__(self, direction: Direction, source: Entity, destination: Entity, flow: Flow) -> None:
        self.direction, self.flow, self.destination = direction, flow, destination
        outwards = direction is Direction.EGRESS
        self.subject, self.peer = (source, destination) if outwards else (destination, source)
        self.steps: list[Step] = []
        self.near: list[Near] = []
        self.ends: set[Action] = set()

    @property
    def admitted(self) -> bool | None:
        """The answer in this direction."""
        return None if len(self.ends) > 1 else Action.ALLOW in self.ends

    def through(self, plane: Plane, selecting: tuple[tuple[Selected, ...], ...]) -> Walk:
        """Asks the tiers in their order until nothing is left undecided; ``selecting`` are the policies of each that select the subject."""
        going = True
        for tier, selected in zip(plane.tiers, selecting, strict=True):
            going = going and self.tier(plane, tier, selected)
        if going:
            self.ends.add(plane.default)
            if self.steps or plane.default is not Action.ALLOW:
                self.steps.append(Step(self.direction, plane.name, "", None, None, plane.default))
        return self

    def tier(self, plane: Plane, tier: Tier, selecting: tuple[Selected, ...]) -> bool:
        """Asks a tier; whether the flow may go on to the next."""
        isolated: bool | None = False
        passed = False
        for together in tied(selecting, self.direction):
            found = []
            for item in together:
                isolated = isolated if isolated or not item.rules.isolates else (True if item.certain else None)
                found += [(item, *match) for match in self.matching(item)]
            if not found:
                continue
            alone = len(together) == 1 or len({id(item) for item, _, _ in found}) == 1
            for item, rule, certain in found:
                sure = certain and alone
                self.steps.append(Step(self.direction, plane.name, tier.name, item.policy, rule, rule.action, sure))
                passed = passed or rule.action is Action.PASS
                self.ends |= {rule.action} - {Action.PASS}
            if any(certain for _, _, certain in found):
                return passed
        if isolated is False or tier.end is Action.PASS:
            return True
        self.ends.add(tier.end)
        self.steps.append(Step(self.direction, plane.name, tier.name, None, None, tier.end, isolated is True))
        return passed or isolated is None

    def matching(self, item: Selected) -> Iterator[tuple[Rule, bool]]:
        """The rules of a policy that match or may match, up to the first that certainly does; whether they do."""
        for rule in item.rules.rules:
            value = self.value(item.policy, rule, item.certain)
            if value is False or rule.action is Action.LOG:
                continue
            yield rule, value is True
            if value is True:
                return

    def value(self, policy: Policy, rule: Rule, certain: bool) -> bool | None:
        """Whether a rule matches; what almost matches is noted."""
        peer = all_of((holds(rule.peer, self.peer, self.flow.family), holds(rule.own, self.subject, self.flow.family)))
        port = matches(rule.traffic, self.flow, self.destination)
        if (peer is False) != (port is False):
            self.near.append(Near(self.direction, policy, rule, "peer" if peer is False else "port"))
        return all_of((True if certain else None, peer, port))


def tied(selecting: tuple[Selected, ...], direction: Direction) -> Iterator[tuple[Selected, ...]]:
    """Policies in their order. Together: those of one order of which it matters which is asked first."""
    if len({item.policy.order for item in selecting}) == len(selecting):
        yield from ((item,) for item in selecting)
        return
    for _, group in groupby(selecting, lambda item: item.policy.order):
        together = tuple(group)
        if len(together) > 1 and len(actions((item.policy for item in together), direction)) > 1:
            yield together
        else:
            yield from ((item,) for item in together)
