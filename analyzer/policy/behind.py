"""What comes of flows behind each rule of a group, rules taken one after another from the last: whether a rule changes anything is then seen without folding the tiers anew.

For groups over which one plane decides, whose policies, rules and tests are all known for sure: there every flow has one rule that decides over it, and a rule changes something where it
decides otherwise than what stands behind it would.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from analyzer.policy.factors import Compiler, Key, is_everyone
from analyzer.policy.folding import Applied, Fold
from analyzer.policy.tiers import Action, Rule

Rectangle = tuple[int, int]
"""Flows, and peers to or from which they are meant."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A rule of a group: its tier, and what it matches, of that ``reached`` is decided by no rule before it."""

    tier: int
    action: Action
    matched: tuple[Rectangle, ...]
    reached: tuple[Rectangle, ...]


@dataclass(slots=True)
class Behind:
    """What comes of flows that no rule has decided, behind the rule that is looked at (``here``) and from the next tier on (``later``): flows apart from each other, with the peers to or from
    which they are admitted. ``tiers`` are those of the group that are still to come, each with whether its end denies; ``tier`` is the one that is looked at."""

    stretches: dict[int, Stretch]
    tiers: list[tuple[int, bool]]
    flows: int
    here: list[Rectangle]
    later: list[Rectangle]
    tier: int = -1

    def enter(self, tier: int) -> None:
        """Goes on to the end of a tier, through those between."""
        while self.tier != tier:
            self.tier, denies = self.tiers.pop()
            self.later = self.here
            self.here = [(self.flows, 0)] if denies else self.later

    def changes_nothing(self, rule: Rule) -> bool:
        """Whether what comes of the flows that reach a rule is the same without it."""
        stretch = self.stretches[id(rule)]
        self.enter(stretch.tier)
        return all(self.same(stretch.action, *part) for part in stretch.reached)

    def same(self, action: Action, flows: int, peers: int) -> bool:
        """Whether an action does with flows what is done with them behind the rule."""
        for common, admitted in cut(self.here, flows):
            wanted = admitted & peers
            if action is Action.PASS:
                if any(own & peers != wanted for _, own in cut(self.later, common)):
                    return False
            elif wanted != (peers if action is Action.ALLOW else 0):
                return False
        return True

    def before(self, rule: Rule) -> None:
        """Takes a rule that stays into account."""
        stretch = self.stretches[id(rule)]
        self.enter(stretch.tier)
        for flows, peers in stretch.matched:
            self.here = joined([*left(self.here, flows), *self.under(stretch.action, flows, peers)])

    def under(self, action: Action, flows: int, peers: int) -> Iterator[Rectangle]:
        """What comes of the flows of a rule, of peers that it is about and others."""
        for common, admitted in cut(self.here, flows):
            if action is Action.PASS:
                yield from ((part, admitted & ~peers | own & peers) for part, own in cut(self.later, common))
            else:
                yield common, admitted & ~peers | (peers if action is Action.ALLOW else 0)


def cut(parts: Iterable[Rectangle], flows: int) -> Iterator[Rectangle]:
    """What of the parts is of some flows."""
    return ((common, peers) for own, peers in parts if (common := own & flows))


def left(parts: Iterable[Rectangle], flows: int) -> Iterator[Rectangle]:
    """What of the parts is of other flows."""
    return ((rest, peers) for own, peers in parts if (rest := own & ~flows))


def joined(parts: Iterable[Rectangle]) -> list[Rectangle]:
    """The parts, those of the same peers together."""
    found: dict[int, int] = {}
    for flows, peers in parts:
        found[peers] = found.get(peers, 0) | flows
    return [(flows, peers) for peers, flows in found.items()]


def behind(compiler: Compiler, key: Key) -> Behind | None:
    """What comes of a group's flows behind its last rule; None for a group of which something is not known for sure, or over which several planes decide."""
    if not known(compiler, key[0]):
        return None
    stretches: dict[int, Stretch] = {}
    tiers: list[tuple[int, bool]] = []
    fold, values = Fold(compiler.atoms.all, compiler.universe.all), iter(key[2])
    for number, inside in groupby(key[0], lambda item: item.tier):
        tier = compiler.tiers[number]
        every = [tier.policies[item.policy][1] for item in inside]
        isolated = any(rules.isolates for rules in every)
        for rule in (rule for rules in every for rule in rules.rules):
            own = (True, True) if is_everyone(rule.own) else next(values)
            found = matched(compiler, key, rule) if own[1] and rule.action is not Action.LOG else ()
            if own[0] is not own[1] or found is None or id(rule) in stretches:
                return None
            stretches[id(rule)] = stretch(fold, number, rule.action, found)
        fold.end(isolated, tier.tier.end)
        tiers.append((number, isolated and tier.tier.end is Action.DENY))
    last = [(compiler.atoms.all, compiler.universe.all if default_of(compiler, key[0]) is Action.ALLOW else 0)]
    return Behind(stretches, tiers, compiler.atoms.all, last, last)


def stretch(fold: Fold, tier: int, action: Action, found: tuple[Rectangle, ...]) -> Stretch:
    """A rule with what reaches it, which it decides."""
    reached = tuple(part for rectangle in found for part in fold.undecided(*rectangle))
    for rectangle in found:
        fold.exactly(action, *rectangle)
    return Stretch(tier, action, found, reached)


def known(compiler: Compiler, items: Iterable[Applied]) -> bool:
    """Whether the policies of a group apply for sure, one after another, in one plane, and no other plane denies by default."""
    planes = {plane_of(compiler, item.tier) for item in items}
    ties = [(item.tier, item.tie) for item in items]
    others = (plane for number, (plane, _) in enumerate(compiler.planes) if number not in planes)
    return (
        len(planes) == 1
        and len(set(ties)) == len(ties)
        and all(item.certain for item in items)
        and all(plane.default is Action.ALLOW for plane in others)
    )


def plane_of(compiler: Compiler, tier: int) -> int:
    """The plane of a tier."""
    first = 0
    for number, (_, tiers) in enumerate(compiler.planes):
        first += len(tiers)
        if tier < first:
            return number
    raise IndexError(tier)


def default_of(compiler: Compiler, items: tuple[Applied, ...]) -> Action:
    """What a group's plane does with what nothing has decided."""
    return compiler.planes[plane_of(compiler, items[0].tier)][0].default


def matched(compiler: Compiler, key: Key, rule: Rule) -> tuple[Rectangle, ...] | None:
    """What a rule matches; None where that is not known for sure."""
    sure, may = compiler.universe.sides(rule.peer)
    found = [(flows, within) for flows, within in compiler.flows(rule.traffic, key[1]) if flows[1] and may & within]
    if any(sure & within != may & within or flows[0] != flows[1] for flows, within in found):
        return None
    return tuple((flows[1], may & within) for flows, within in found)
