"""What earlier tiers leave to the policies of later ones: rules of namespaces that are denied all they allow, and policies that are never asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from analyzer.model.network import Network
from analyzer.policy.factors import Compiler, Key
from analyzer.policy.folding import Fold, State
from analyzer.policy.redundancy import Side, applies, redundancies, side_of
from analyzer.policy.tiers import Action, Direction, Policy, Rule
from analyzer.query.policies import Policies, of_network
from analyzer.query.policy_findings import MODES, written

SHOWN = 3
States = list[tuple[int, State]]


class Contradicted(NamedTuple):
    """A rule of a namespace's policy that allows what earlier tiers deny, all of it; ``by`` are rules that do."""

    policy: Policy
    direction: Direction
    rule: Rule
    by: tuple[tuple[Policy, Rule], ...]


class NeverAsked(NamedTuple):
    """A policy that no flow of those whom it selects reaches in a direction; ``after`` are policies of earlier tiers that decide."""

    policy: Policy
    direction: Direction
    after: tuple[Policy, ...]


class Later(NamedTuple):
    """A policy in a tier that is not the first: where it stands, and the groups that it takes part in, of all families."""

    policy: Policy
    place: tuple[int, int]
    groups: tuple[tuple[Side, Key], ...]


def contradictions(network: Network) -> Iterator[Contradicted]:
    """The rules that allow what an earlier tier denies."""
    own = set(written(network))
    for direction, tiers in directions(of_network(network)):
        for item in tiers.later():
            if item.policy.namespace and item.policy in own:
                for rule in tiers.rules(item):
                    if rule.action is Action.ALLOW and (by := tiers.denying(item, rule)):
                        yield Contradicted(item.policy, direction, rule, by)


def never_asked(network: Network) -> Iterator[NeverAsked]:
    """The policies that are never asked in a direction, but for those of which each rule is told to change nothing."""
    found, own = of_network(network), {policy for policy in written(network) if policy.kind not in MODES}
    told: set[tuple[Policy, Direction]] | None = None
    for direction, tiers in directions(found):
        for item in tiers.later():
            if item.policy in own and all(not tiers.undecided(*group, item.place[0]) for group in item.groups):
                if told is None:
                    told = {
                        (one.policy, one.direction)
                        for one in redundancies(found.all, found.every_family(), ())
                        if not one.nothing
                    }
                if (item.policy, direction) not in told:
                    yield NeverAsked(item.policy, direction, tuple(tiers.deciding(item))[:SHOWN])


def directions(found: Policies) -> Iterator[tuple[Direction, Tiers]]:
    """The tiers of both directions; none where there are no later ones."""
    if any(len(plane.tiers) > 1 for plane in found.all.planes):
        known = [found.factors(family) for family in found.families()]
        for direction in Direction:
            compilers = (Compiler(found.all.planes, item.universe, item.atoms, direction) for item in known)
            yield direction, Tiers([side_of(compiler) for compiler in compilers])


class Tiers:
    """One direction in all families."""

    def __init__(self, sides: list[Side]) -> None:
        self.sides = sides
        self.first = sides[0].compiler
        self.known: dict[tuple[int, Key, int], States] = {}
        self.last: dict[tuple[int, Key], int] = {}
        self.starts: dict[int, int] = {}
        start = 0
        for _, tiers in self.first.planes:
            self.starts |= dict.fromkeys(range(start, start + len(tiers)), start)
            start += len(tiers)

    def later(self) -> Iterator[Later]:
        """The policies that select somebody in the tiers that are not the first of their plane."""
        for number, tier in enumerate(self.first.tiers):
            for place, (policy, _, _) in enumerate(tier.policies if number != self.starts[number] else ()):
                groups = tuple((side, key) for side in self.sides for key in side.groups.get((number, place), ()))
                if groups:
                    yield Later(policy, (number, place), groups)

    def rules(self, item: Later) -> tuple[Rule, ...]:
        """The rules of a policy."""
        _, rules, _ = self.first.tiers[item.place[0]].policies[item.place[1]]
        return rules.rules

    def before(self, side: Side, key: Key, tier: int) -> States:
        """What has become of the flows of a group before a tier is asked."""
        place = (id(side), key, tier)
        if place not in self.known:
            items, ports, own = key
            compiler, start = side.compiler, self.starts[tier]
            fold = Fold(compiler.atoms.all, compiler.universe.all)
            if (last := self.last.get((id(side), key))) is not None and start <= last < tier:
                start, fold.states = last, [(flows, state.copy()) for flows, state in self.known[id(side), key, last]]
            skipped = sum(len(compiler.own[item.tier][item.policy]) for item in items if item.tier < start)
            inside = [item for item in items if start <= item.tier < tier]
            compiler.fold(fold, compiler.tiers[start:tier], start, inside, ports, iter(own[skipped:]))
            self.known[place] = fold.states
            self.last[id(side), key] = tier
        return self.known[place]

    def undecided(self, side: Side, key: Key, tier: int) -> bool:
        """Whether a flow of a group may reach a tier."""
        return any(flows and state.undecided for flows, state in self.before(side, key, tier))

    def denying(self, item: Later, rule: Rule) -> tuple[tuple[Policy, Rule], ...]:
        """Rules of earlier tiers by which all is denied that a rule allows; none where something may be left of it."""
        parts = [(side, key, part) for side, key in item.groups for part in allowed_by(side, key, rule)]
        tier = item.place[0]
        if not parts or not all(self.denied(side, key, tier, *part) for side, key, part in parts):
            return ()
        return tuple(dict.fromkeys(found for side, key, part in parts for found in self.denials(side, key, tier, *part)))[:SHOWN]

    def denied(self, side: Side, key: Key, tier: int, flows: int, peers: int) -> bool:
        """Whether earlier tiers deny all of some flows to or from all of some peers, for sure."""
        states = ((have & flows, state) for have, state in self.before(side, key, tier))
        return not any(inside and peers & ~(state.denied & ~state.undecided & ~state.allowed) for inside, state in states)

    def denials(self, side: Side, key: Key, tier: int, flows: int, peers: int) -> Iterator[tuple[Policy, Rule]]:
        """The rules of earlier tiers that deny some of it."""
        for policy, rule in self.earlier(side, key, tier):
            if rule.action is Action.DENY and applies(side, key, rule):
                matched = side.compiler.universe.sides(rule.peer)[1] & peers
                if any(own[1] & flows and within & matched for own, within in side.compiler.flows(rule.traffic, key[1])):
                    yield policy, rule

    def earlier(self, side: Side, key: Key, tier: int) -> Iterator[tuple[Policy, Rule]]:
        """The rules of a group in the tiers before one."""
        for item in key[0]:
            if self.starts[tier] <= item.tier < tier:
                policy, rules, _ = side.compiler.tiers[item.tier].policies[item.policy]
                yield from ((policy, rule) for rule in rules.rules)

    def deciding(self, item: Later) -> Iterator[Policy]:
        """The policies of earlier tiers that select whom a policy selects, each once."""
        found = (policy for side, key in item.groups for policy in self.selecting(side, key, item.place[0]))
        yield from dict.fromkeys(found)

    def selecting(self, side: Side, key: Key, tier: int) -> Iterator[Policy]:
        """The policies of a group in the tiers before one."""
        inside = (item for item in key[0] if self.starts[tier] <= item.tier < tier)
        return (side.compiler.tiers[item.tier].policies[item.policy][0] for item in inside)


def allowed_by(side: Side, key: Key, rule: Rule) -> Iterator[tuple[int, int]]:
    """The flows and peers of a rule in a group; flows of which it is not known whether they are meant only where there are no others."""
    _, may = side.compiler.universe.sides(rule.peer)
    for flows, within in side.compiler.flows(rule.traffic, key[1]):
        if (flows[0] or flows[1]) and may & within and applies(side, key, rule):
            yield flows[0] or flows[1], may & within
