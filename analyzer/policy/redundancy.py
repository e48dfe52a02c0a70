"""Rules without which the same flows are admitted and denied: proved for every entity and every flow, in every family.

A rule is looked at after those behind it, and what is found is taken away at once, so that all of it may be taken away together: of two
equal rules the later one is named. Where rules only admit, as those of NetworkPolicies do, one changes nothing that matches nothing but what others match; else
the tiers are folded once more without it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_

from analyzer.policy.behind import Behind, Rectangle, behind
from analyzer.policy.factors import Compiler, Factors, Key, is_everyone
from analyzer.policy.folding import Cell, merged
from analyzer.policy.planes import PolicySet
from analyzer.policy.terms import EVERYONE
from analyzer.policy.tiers import Action, Direction, Policy, Rule

SHOWN = 3


@dataclass(frozen=True, slots=True)
class Redundant:
    """A rule that changes nothing, with the rules that decide what it matches: empty where it matches nothing for anyone that its policy
    selects (``nothing``), which is about who is there now, and where nobody asked for them."""

    policy: Policy
    direction: Direction
    rule: Rule
    covers: tuple[tuple[Policy, Rule], ...] = ()
    nothing: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """A rule of a group, with what it matches for sure, and what it may match."""

    policy: Policy
    rule: Rule
    sure: tuple[Rectangle, ...]
    may: tuple[Rectangle, ...]


@dataclass(slots=True)
class Side:
    """One direction in one family: a class of each group, and the groups in which each policy takes part."""

    compiler: Compiler
    first: dict[Key, int]
    groups: dict[tuple[int, int], list[Key]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """Subjects to which the same rules apply: those rules by which objects they are, and what is admitted; None where rules only admit, and only in one tier. ``behind``: what comes of flows
    behind each rule, where all is known for sure."""

    compiler: Compiler
    key: Key
    matches: dict[int, Match]
    cells: tuple[Cell, ...] | None
    behind: Behind | None = None

    def same_without(self, rule: Rule) -> bool:
        """Whether the same is admitted without a rule, which the compiler has left out."""
        if self.behind is not None:
            return self.behind.changes_nothing(rule)
        own = self.matches[id(rule)]
        if self.cells is not None:
            return self.equal_within(own.may) and (
                not self.open_in(own.may) or (self.admits_only() and self.matched_by_others(own))
            )
        return self.matched_by_others(own)

    def matched_by_others(self, own: Match) -> bool:
        """Whether other rules match all that a rule matches for sure, for sure, and may match all that it may."""
        others = [item for number, item in self.matches.items() if number not in self.compiler.left_out]
        sure = inside(own.sure, (part for item in others for part in item.sure))
        return sure and (own.may is own.sure or inside(own.may, (part for item in others for part in item.may)))

    def admits_only(self) -> bool:
        """Whether no rule of the group does anything but admit: what is known of one then does not rest on the others."""
        return all(item.rule.action is Action.ALLOW for item in self.matches.values())

    def equal_within(self, rectangles: Sequence[Rectangle]) -> bool:
        """Whether the same of some flows is admitted as before: what a rule does not match goes on without it as it did. One of them is tried first."""
        flows, peers = union(flows for flows, _ in rectangles), union(peers for _, peers in rectangles)
        parts = ((flows & -flows, peers), (flows, peers)) if flows else ()
        return all(self.compiler.cells(self.key, part) == within(self.cells or (), *part) for part in parts)

    def open_in(self, rectangles: Sequence[Rectangle]) -> bool:
        """Whether it is not known of some of the flows if they are admitted: what is not known may be what the rule is for."""
        return any(c.flows & flows and c.may & ~c.sure & peers for c in self.cells or () for flows, peers in rectangles)


Groups = dict[tuple[int, int], list[Group]]


def redundancies(
    policies: PolicySet, compiled: Sequence[Factors], explained: Container[Policy] | None = None
) -> tuple[Redundant, ...]:
    """The rules that change nothing, in the order of the policies; what covers them for those of the policies that are to be explained (None: of all)."""
    found: list[Redundant] = []
    for direction in Direction:
        compilers = [Compiler(policies.planes, item.universe, item.atoms, direction) for item in compiled]
        sides = [groups_of(side_of(compiler)) for compiler in compilers]
        places = [(tier, place) for tier, one in enumerate(compilers[0].tiers) for place in range(len(one.policies))]
        for tier, place in reversed(places):
            policy, rules, _ = compilers[0].tiers[tier].policies[place]
            groups = [group for side in sides for group in side.get((tier, place), ())]
            told = explained is None or policy in explained
            for rule in reversed(rules.rules) if groups else ():
                if rule.action is not Action.LOG and (item := examined(groups, compilers, policy, direction, rule, told)):
                    found.append(item)
    return tuple(reversed(found))


def side_of(compiler: Compiler) -> Side:
    """The groups of a direction."""
    found = Side(compiler, {})
    for position, key in enumerate(compiler.keys()):
        found.first.setdefault(key, position)
    for key in found.first:
        for item in key[0]:
            found.groups.setdefault((item.tier, item.policy), []).append(key)
    return found


def groups_of(side: Side) -> Groups:
    """The groups in which each policy takes part, with what their rules match."""
    compiler, found = side.compiler, Groups()
    for key in side.first:
        group = group_of(compiler, key)
        for item in key[0]:
            found.setdefault((item.tier, item.policy), []).append(group)
    return found


def group_of(compiler: Compiler, key: Key) -> Group:
    """A group, with what its rules match and what is worked out for it."""
    matches = matches_of(compiler, key)
    if only_admits(compiler, key):
        return Group(compiler, key, matches, None)
    found = behind(compiler, key)
    return Group(compiler, key, matches, None if found is not None else compiler.cells(key), found)


def only_admits(compiler: Compiler, key: Key) -> bool:
    """Whether policies of one tier decide over a group, isolate it for sure, and have rules that admit, only."""
    tiers = {item.tier for item in key[0]}
    if len(tiers) != 1 or any(plane.default is not Action.ALLOW for plane, _ in compiler.planes):
        return False
    tier = compiler.tiers[tiers.pop()]
    every = [(item.certain, tier.policies[item.policy][1]) for item in key[0]]
    isolated = any(certain and rules.isolates for certain, rules in every)
    actions = {rule.action for _, rules in every for rule in rules.rules}
    return tier.tier.end is Action.DENY and isolated and actions <= {Action.ALLOW, Action.LOG}


def matches_of(compiler: Compiler, key: Key) -> dict[int, Match]:
    """The rules that apply to a group, in their order, by which objects they are; one that applies twice matches for sure where it does so once."""
    found: dict[int, Match] = {}
    values = iter(key[2])
    for item in key[0]:
        policy, rules, _ = compiler.tiers[item.tier].policies[item.policy]
        for rule in rules.rules:
            own = (True, True) if is_everyone(rule.own) else next(values)
            if rule.action is not Action.LOG:
                known = found.get(id(rule))
                if known is None or not known.sure:
                    sure, may = matched(compiler, key, rule, own[1], item.certain and own[0])
                    found[id(rule)] = Match(known.policy if known else policy, rule, sure, may)
    return found


def matched(
    compiler: Compiler, key: Key, rule: Rule, possible: bool, certain: bool
) -> tuple[tuple[Rectangle, ...], tuple[Rectangle, ...]]:
    """What a rule matches in a group for sure, and what it may match: one object where that is the same."""
    if not possible:
        return (), ()
    sure, may = compiler.universe.sides(rule.peer)
    found = tuple((flows, within) for flows, within in compiler.flows(rule.traffic, key[1]) if flows[1] and may & within)
    wide = tuple((flows[1], may & within) for flows, within in found)
    if certain and sure == may and all(flows[0] == flows[1] for flows, _ in found):
        return wide, wide
    return tuple((flows[0], sure & within) for flows, within in found if certain and flows[0] and sure & within), wide


def examined(
    groups: list[Group], compilers: list[Compiler], policy: Policy, direction: Direction, rule: Rule, told: bool
) -> Redundant | None:
    """The rule where it changes nothing, which is then left out; None where it does."""
    for compiler in compilers:
        compiler.left_out.add(id(rule))
    if not all(group.same_without(rule) for group in groups):
        for compiler in compilers:
            compiler.left_out.discard(id(rule))
        for group in groups:
            if group.behind is not None:
                group.behind.before(rule)
        return None
    own = [(group, match.sure or match.may) for group in groups if (match := group.matches[id(rule)]).may]
    return Redundant(policy, direction, rule, tuple(covering(*own[0])) if own and told else (), not own)


def covering(group: Group, rest: Sequence[Rectangle]) -> Iterator[tuple[Policy, Rule]]:
    """Rules of the group that match what is given, those that match most of it for sure first, then those that may, until it is covered."""
    others = [item for item in group.matches.values() if id(item.rule) not in group.compiler.left_out]
    for _ in range(SHOWN):
        ranked = [(common(item.sure, rest), common(item.may, rest), -number) for number, item in enumerate(others)]
        sure, may, number = max(ranked, default=(0, 0, 0))
        if not may:
            return
        found = others[-number]
        yield found.policy, found.rule
        rest = [part for one in rest for part in minus(one, found.sure if sure else found.may)]


def common(own: Sequence[Rectangle], rest: Sequence[Rectangle]) -> int:
    """How much of some rectangles others have."""
    return sum((a & c).bit_count() * (b & d).bit_count() for a, b in rest for c, d in own)


def within(cells: Iterable[Cell], flows: int, peers: int) -> tuple[Cell, ...]:
    """The cells of some flows and peers."""
    return merged(Cell(cell.flows & flows, cell.sure & peers, cell.may & peers) for cell in cells if cell.flows & flows)


def union(sets: Iterable[int]) -> int:
    """The union of sets of bits."""
    return reduce(or_, sets, 0)


def inside(rectangles: Sequence[Rectangle], others: Iterable[Rectangle]) -> bool:
    """Whether nothing of some rectangles is outside others."""
    known = list(others)
    return not any(minus(one, [other for other in known if one[0] & other[0] and one[1] & other[1]]) for one in rectangles)


def minus(rectangle: Rectangle, others: Iterable[Rectangle]) -> list[Rectangle]:
    """What of a rectangle is in none of the others."""
    left = [rectangle]
    for flows, peers in others:
        left = [part for a, b in left for part in ((a & ~flows, b), (a & flows, b & ~peers)) if part[0] and part[1]]
        if not left:
            break
    return left


def applies(side: Side, key: Key, rule: Rule) -> bool:
    """Whether the rule's own test of the subject may hold in the group."""
    return rule.own == EVERYONE or bool(side.compiler.universe.sides(rule.own)[1] >> side.first[key] & 1)
