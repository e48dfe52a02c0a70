"""Flows that are not known on both sides, and for different reasons: whether they change cannot be said.

``joint.py`` compares what is sure and what may be. Where both sides say "perhaps" of the same flows, that is the same answer only when it rests on
the same conditions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from analyzer.policy.atoms import names_in
from analyzer.policy.bits import members, set_of
from analyzer.policy.comparing import Rectangle, both_groups, merged
from analyzer.policy.factors import Factors, rules_of
from analyzer.policy.joint import Joint
from analyzer.policy.planes import PolicySet
from analyzer.policy.terms import All, AnyOf, Not, Opaque, Peer, Traffic
from analyzer.policy.tiers import Action, Direction, Policy, Rule

Condition = tuple[object, ...]


def open_differently(both: Joint) -> list[Rectangle]:
    """The pairs and flows that are unknown on both sides, by conditions that differ."""
    alike = both.alike if both.alike is not None else same_condition(both.old.policies, both.new.policies)
    if alike:
        return []
    return merged(found_in(both))


def found_in(both: Joint) -> Iterator[Rectangle]:
    """The rectangles, direction by direction."""
    egress, ingress = both_groups(both)
    for direction, one, other in ((Direction.EGRESS, egress, ingress), (Direction.INGRESS, ingress, egress)):
        for position in members(altered(both, direction)):
            for part in one.parts(one.of(position)):
                unknown = part.old[1] & ~part.old[0] & part.new[1] & ~part.new[0]
                for number in other.touching(part.peers) if unknown else ():
                    for into in other.parts(number):
                        old = part.old[0] & into.old[0], part.old[1] & into.old[1]
                        new = part.new[0] & into.new[0], part.new[1] & into.new[1]
                        peers = other.positions(number) & part.peers
                        if old == new and old[1] & unknown and into.peers >> position & 1 and peers:
                            ends = (1 << position, peers) if direction is Direction.EGRESS else (peers, 1 << position)
                            yield Rectangle(*ends, old, new)


def altered(both: Joint, direction: Direction) -> int:
    """The positions to which other conditions that are not known apply on the two sides."""
    out, into = both.touched or (both.staying, both.staying)
    here = [
        place
        for place in members(out if direction is Direction.EGRESS else into)
        if conditions(both.old, place, direction) != conditions(both.new, place, direction)
    ]
    return set_of(here)


def conditions(side: Factors, position: int, direction: Direction) -> frozenset[Condition]:
    """The rules with conditions that are not known, of the policies that select the class."""
    entity = side.universe.members[position][0] if side.universe.members[position] else side.universe.classes[position]
    found = side.policies.selecting(entity, side.universe.family, direction)
    return frozenset(
        condition(side, tier, item.policy, rule)
        for tier, selected in enumerate(found)
        for item in selected
        for rule in item.rules.rules
        if not item.certain or any(True for term in (rule.peer, rule.own, rule.traffic) for _ in opaque(term))
    )


def condition(side: Factors, tier: int, policy: Policy, rule: Rule) -> Condition:
    """A rule with what is not known of it, by what it matches and not by how it is written: the classes and flows are those of both sides."""
    terms = (policy.subject, rule.peer, rule.own)
    texts = frozenset(item.text for term in (*terms, rule.traffic) for item in opaque(term))
    named = frozenset(names_in(rule.traffic))
    return tier, rule.action, *map(side.universe.sides, terms), side.atoms.of(rule.traffic, ()), named, texts


def same_condition(old: PolicySet, new: PolicySet) -> bool:
    """Whether at most one thing is not known, the same on both sides, and it can only admit: then "perhaps" always means the same."""
    return only_admits({*uses(old.policies()), *uses(new.policies())})


def only_admits(found: set[tuple[str, bool]]) -> bool:
    """Whether there is at most one thing that is not known, and it only ever admits."""
    return len(found) <= 1 and all(admits for _, admits in found)


def uses(policies: Iterable[Policy]) -> set[tuple[str, bool]]:
    """What is not known, and whether it only ever admits."""
    found: set[tuple[str, bool]] = set()
    for policy in policies:
        found |= {(term.text, False) for term in opaque(policy.subject)}
        for direction in Direction:
            for rule in rules_of(policy, direction):
                for term in (rule.peer, rule.own, rule.traffic):
                    found |= {(leaf.text, rule.action is Action.ALLOW and not within_not(term)) for leaf in opaque(term)}
    return found


def opaque(term: Peer | Traffic) -> Iterator[Opaque]:
    """The conditions in a test that are not known."""
    match term:
        case Opaque():
            yield term
        case All(terms) | AnyOf(terms):
            for item in terms:
                yield from opaque(item)
        case Not(inner):
            yield from opaque(inner)
        case _:
            pass


def within_not(term: Peer | Traffic) -> bool:
    """Whether a condition that is not known stands under a negation."""
    match term:
        case All(terms) | AnyOf(terms):
            return any(within_not(item) for item in terms)
        case Not(inner):
            return any(True for _ in opaque(inner))
        case _:
            return False
