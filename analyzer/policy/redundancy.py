"""Rules without which the same flows are admitted and denied: proved for every entity and every flow, in every family.

A rule is looked at after those behind it, and what is found is taken away at once, so that all of it may be taken away together: of two
equal rules the later one is named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from analyzer.policy.factors import Compiler, Key, vocabulary
from analyzer.policy.folding import Cell
from analyzer.policy.planes import PolicySet
from analyzer.policy.terms import EVERYONE
from analyzer.policy.tiers import Action, Direction, Policy, Rule

SHOWN = 3


@dataclass(frozen=True, slots=True)
class Redundant:
    """A rule that changes nothing, with the rules that decide what it matches: empty where it matches nothing for anyone that its policy
    selects (``nothing``), which is about who is there now."""

    policy: Policy
    direction: Direction
    rule: Rule
    covers: tuple[tuple[Policy, Rule], ...] = ()
    nothing: bool = False


@dataclass(slots=True)
class Side:
    """One direction in one family: the groups with their cells and a class of each, and the groups in which each policy takes part."""

    compiler: Compiler
    cells: dict[Key, tuple[Cell, ...]]
    first: dict[Key, int]
    groups: dict[tuple[int, int], list[Key]] = field(default_factory=dict)


def redundancies(policies: PolicySet, families: tuple[int, ...]) -> tuple[Redundant, ...]:
    """The rules that change nothing, in the order of the policies."""
    found: list[Redundant] = []
    known = [vocabulary(policies, family) for family in families]
    for direction in Direction:
        sides = [side_of(Compiler(policies.planes, universe, atoms, direction)) for universe, atoms in known]
        first = sides[0].compiler
        places = [(tier, place) for tier, one in enumerate(first.tiers) for place in range(len(one.policies))]
        for tier, place in reversed(places):
            policy, rules, _ = first.tiers[tier].policies[place]
            for rule in reversed(rules.rules):
                if rule.action is not Action.LOG and (item := examined(sides, (tier, place), policy, direction, rule)):
                    found.append(item)
    return tuple(reversed(found))


def side_of(compiler: Compiler) -> Side:
    """The groups of a direction, with what is admitted."""
    first: dict[Key, int] = {}
    for position, key in enumerate(compiler.keys()):
        first.setdefault(key, position)
    found = Side(compiler, {key: compiler.cells(key) for key in first}, first)
    for key in found.cells:
        for item in key[0]:
            found.groups.setdefault((item.tier, item.policy), []).append(key)
    return found


def examined(sides: list[Side], place: tuple[int, int], policy: Policy, direction: Direction, rule: Rule) -> Redundant | None:
    """The rule where it changes nothing, which is then left out; None where it does, or where its policy selects nobody."""
    if not any(place in side.groups for side in sides):
        return None
    for side in sides:
        side.compiler.left_out.add(id(rule))
    if all(side.compiler.cells(key) == side.cells[key] for side in sides for key in side.groups.get(place, ())):
        matched = [(side, key) for side in sides for key in side.groups.get(place, ()) if any(rectangles(side, key, rule))]
        covers = tuple(covering(*matched[0], rule)) if matched else ()
        return Redundant(policy, direction, rule, covers, not matched)
    for side in sides:
        side.compiler.left_out.discard(id(rule))
    return None


def rectangles(side: Side, key: Key, rule: Rule) -> Iterator[tuple[int, int]]:
    """The flows and peers that a rule may match in a group."""
    _, may = side.compiler.universe.sides(rule.peer)
    for flows, within in side.compiler.flows(rule.traffic, key[1]):
        if flows[1] and may & within and applies(side, key, rule):
            yield flows[1], may & within


def applies(side: Side, key: Key, rule: Rule) -> bool:
    """Whether the rule's own test of the subject may hold in the group."""
    return rule.own == EVERYONE or bool(side.compiler.universe.sides(rule.own)[1] >> side.first[key] & 1)


def covering(side: Side, key: Key, rule: Rule) -> Iterator[tuple[Policy, Rule]]:
    """Rules of the group that match what the rule matches, those that match most of it first, until it is covered."""
    rest = list(rectangles(side, key, rule))
    others = [(policy, other) for policy, other in rules_in(side, key) if id(other) not in side.compiler.left_out]
    for _ in range(SHOWN):
        ranked = [(common(side, key, other, rest), -number) for number, (_, other) in enumerate(others)]
        size, number = max(ranked, default=(0, 0))
        if not size:
            return
        yield others[-number]
        rest = [part for one in rest for part in minus(one, list(rectangles(side, key, others[-number][1])))]


def rules_in(side: Side, key: Key) -> Iterator[tuple[Policy, Rule]]:
    """The rules that apply to a group, in their order."""
    for item in key[0]:
        policy, rules, _ = side.compiler.tiers[item.tier].policies[item.policy]
        yield from ((policy, rule) for rule in rules.rules if rule.action is not Action.LOG)


def common(side: Side, key: Key, rule: Rule, rest: list[tuple[int, int]]) -> int:
    """How much of some rectangles a rule matches."""
    own = list(rectangles(side, key, rule))
    return sum((a & c).bit_count() * (b & d).bit_count() for a, b in rest for c, d in own)


def minus(rectangle: tuple[int, int], others: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """What of a rectangle is in none of the others."""
    left = [rectangle]
    for flows, peers in others:
        left = [part for a, b in left for part in ((a & ~flows, b), (a & flows, b & ~peers)) if part[0] and part[1]]
    return left
