"""What decides between two ends of which something is open (``possible.py``): policies and rules without what is settled about the ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from analyzer.policy.entities import Entity
from analyzer.policy.planes import PolicySet
from analyzer.policy.possible import About, End, PartPolicy, PlanePart, parts, read
from analyzer.policy.terms import EVERYONE, NOBODY, All, AnyOf, Box, Not, Opaque, Peer, PortName, Traffic
from analyzer.policy.tiers import Action, Direction, Rule
from analyzer.ranges import intersection
from analyzer.source import Span

UNKNOWN = Opaque("", Span("", 0))


class Test(NamedTuple):
    """A test of one of the ends."""

    end: str
    peer: Peer


class ReadRule(NamedTuple):
    """A rule with its tests as far as they are open; None of them is false."""

    action: Action
    tests: tuple[Test, ...]
    traffic: Traffic


class ReadPolicy(NamedTuple):
    """A policy: whether it selects the subject, and its rules."""

    subject: Test
    isolates: bool
    rules: tuple[ReadRule, ...]


class ReadTier(NamedTuple):
    """Groups of policies, and the end of the tier."""

    groups: tuple[tuple[ReadPolicy, ...], ...]
    end: Action


class ReadPlane(NamedTuple):
    """A plane in one direction."""

    tiers: tuple[ReadTier, ...]
    default: Action


class Program(NamedTuple):
    """All that decides between two ends, as far as it is open. Equal programs have equal tables."""

    planes: tuple[ReadPlane, ...]
    source: tuple[object, ...]
    destination: tuple[object, ...]


@dataclass(frozen=True)
class Reader:
    """Reads the policies between two ends, as far as they are about some flows. ``rules``: of which rules it is known whether they are, by identity."""

    policies: PolicySet
    source: End
    destination: End
    family: int
    flows: tuple[Box, ...]
    rules: dict[int, bool] = field(default_factory=dict, repr=False)
    memory: dict[Test, Peer] = field(default_factory=dict, repr=False)

    def program(self) -> Program:
        """What decides."""
        planes = [*self.direction(Direction.EGRESS), *self.direction(Direction.INGRESS)]
        return Program(tuple(planes), identity(self.source), identity(self.destination))

    def direction(self, direction: Direction) -> Iterator[ReadPlane]:
        """The planes of a direction."""
        own, other = ("source", "destination") if direction is Direction.EGRESS else ("destination", "source")
        for plane in parts(self.policies, self.end(own), self.family, direction):
            yield self.plane(plane, own, other)

    def plane(self, plane: PlanePart, own: str, other: str) -> ReadPlane:
        """A plane, without what cannot matter."""
        tiers = []
        for tier in plane.tiers:
            groups = []
            for group in tier.groups:
                known = tuple(policy for policy in (self.policy(item, own, other) for item in group) if policy)
                if known:
                    groups.append(known)
            tiers.append(ReadTier(tuple(groups), tier.end))
        return ReadPlane(tuple(tiers), plane.default)

    def policy(self, item: PartPolicy, own: str, other: str) -> ReadPolicy | None:
        """A policy; None where it selects nobody."""
        selected = self.reduced(Test(own, item.policy.subject))
        if selected == NOBODY:
            return None
        found = []
        for rule in item.rules.rules:
            tests = (Test(other, self.reduced(Test(other, rule.peer))), Test(own, self.reduced(Test(own, rule.own))))
            if self.concerned(rule) and not any(test.peer == NOBODY for test in tests):
                found.append(ReadRule(rule.action, tuple(test for test in tests if test.peer != EVERYONE), rule.traffic))
        return ReadPolicy(Test(own, selected), item.rules.isolates, tuple(found))

    def concerned(self, rule: Rule) -> bool:
        """Whether a rule could matter for the flows."""
        found = self.rules.get(id(rule))
        if found is None:
            met = rule.action is not Action.LOG and any(meets(rule.traffic, flows) for flows in self.flows)
            found = self.rules[id(rule)] = met
        return found

    def end(self, name: str) -> End:
        """One of the ends."""
        return self.source if name == "source" else self.destination

    def reduced(self, test: Test) -> Peer:
        """A test without what is settled about its end."""
        found = self.memory.get(test)
        if found is None:
            found = self.memory[test] = self._reduced(test)
        return found

    def _reduced(self, test: Test) -> Peer:
        match test.peer:
            case All(terms):
                return conjunction(self.reduced(Test(test.end, term)) for term in terms)
            case AnyOf(terms):
                return disjunction(self.reduced(Test(test.end, term)) for term in terms)
            case Not(term):
                return negation(self.reduced(Test(test.end, term)))
            case leaf:
                value = read(leaf, self.end(test.end), self.family)
                if isinstance(value, About):
                    return leaf
                return UNKNOWN if value is None else EVERYONE if value else NOBODY


def meets(traffic: Traffic, flows: Box) -> bool:
    """Whether a test of flows could hold for one of the flows."""
    match traffic:
        case Box(protocols, destinations, sources):
            mine = ((protocols, flows.protocols), (destinations, flows.destinations), (sources, flows.sources))
            return all(intersection(one, other) for one, other in mine)
        case PortName(_, protocols):
            return bool(intersection(protocols, flows.protocols))
        case All(terms):
            return all(meets(term, flows) for term in terms)
        case AnyOf(terms):
            return any(meets(term, flows) for term in terms)
        case Not() | Opaque():
            return True


def identity(end: End) -> tuple[object, ...]:
    """What of an end counts beside the tests that are open about it."""
    if isinstance(end, Entity):
        return (end.ports,)
    return (end.free, end.new_namespace, end.networks, end.base.ports)


def conjunction(terms: Iterable[Peer]) -> Peer:
    """All of the tests, the settled ones taken into account."""
    kept = []
    for term in terms:
        if term == NOBODY:
            return NOBODY
        if term != EVERYONE:
            kept.append(term)
    return kept[0] if len(kept) == 1 else All(tuple(kept))


def disjunction(terms: Iterable[Peer]) -> Peer:
    """One of the tests."""
    kept = []
    for term in terms:
        if term == EVERYONE:
            return EVERYONE
        if term != NOBODY:
            kept.append(term)
    return kept[0] if len(kept) == 1 else AnyOf(tuple(kept))


def negation(term: Peer) -> Peer:
    """The test does not hold."""
    if term == EVERYONE:
        return NOBODY
    if term == NOBODY:
        return EVERYONE
    return UNKNOWN if term == UNKNOWN else Not(term)


def rules_in(program: Program) -> Iterator[ReadRule]:
    """Every rule."""
    return (
        rule
        for plane in program.planes
        for tier in plane.tiers
        for group in tier.groups
        for policy in group
        for rule in policy.rules
    )


def tests_in(program: Program) -> Iterator[Test]:
    """Every test."""
    policies = (policy for plane in program.planes for tier in plane.tiers for group in tier.groups for policy in group)
    for policy in policies:
        yield policy.subject
        yield from chain.from_iterable(rule.tests for rule in policy.rules)


def named_in(traffic: Traffic) -> Iterator[PortName]:
    """The named ports in a test of flows."""
    match traffic:
        case PortName():
            yield traffic
        case All(terms) | AnyOf(terms):
            for term in terms:
                yield from named_in(term)
        case Not(term):
            yield from named_in(term)
        case Box() | Opaque():
            pass
