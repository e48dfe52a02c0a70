"""Both sides of an edit of entities (``joint.py``), over the classes that are compiled already and further ones for what came or changed.

Possible where policies tell nothing apart that they did not tell apart before, which of entities concerns the ports that they name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analyzer.policy.bits import run
from analyzer.policy.classes import Sight, Universe
from analyzer.policy.entities import Entity
from analyzer.policy.factors import Factors, Key
from analyzer.policy.joint import NOBODY_THERE, Couple, Joint, masks
from analyzer.policy.planes import PolicySet
from analyzer.policy.tiers import Direction
from analyzer.policy.widened import Further, Homes, ports_known, reshaped, widened

Keys = Callable[[Factors, Direction], tuple[Key, ...]]


@dataclass(frozen=True, slots=True)
class Groups:
    """The couples at the classes that there are, and those at further positions, who stand there before and after; those at which a fresh one is come last."""

    known: tuple[tuple[Couple, ...], ...]
    further: tuple[tuple[Couple, ...], ...]
    before: tuple[Further, ...]
    after: tuple[Further, ...]


def rejoined(
    before: Factors, after: Factors, now: PolicySet, couples: Sequence[Couple], homes: Homes, keys: Keys
) -> Joint | None:
    """Both sides. ``after``: the policies after the edit, compiled for those who were there before it; ``now``: the same for those who are there
    after it. None where everything has to be compiled."""
    sight = homes.now()
    groups = grouped(before.universe, couples, homes, sight)
    fresh = [item.entity for item in groups.after if item.fresh and item.entity is not None]
    if not all(ports_known(before.atoms, sight.with_ports(entity)) for entity in fresh):
        return None
    members = (*groups.known, *groups.further)
    old = universe(before.universe, groups, sight, [couple.old for group in groups.further for couple in group[:1]], "old")
    new = universe(before.universe, groups, sight, [couple.new for group in groups.further for couple in group[:1]], "new")
    deciding = [keys(after, direction) for direction in (Direction.EGRESS, Direction.INGRESS)] if fresh else []
    return Joint(
        widened(before, before.policies, old, groups.before, ()),
        widened(after, now, new, groups.after, deciding),
        members,
        *masks(members),
        moved=moved(before.universe, members),
    )


def moved(base: Universe, members: Sequence[Sequence[Couple]]) -> int:
    """The positions that are new, and those that others are the first of now."""
    found = run(len(base.classes), len(members) - 1)
    for place, (old, new) in enumerate(zip(base.members, members, strict=False)):
        if new and old[0].name != new[0].known.name:
            found |= 1 << place
    return found


def grouped(base: Universe, couples: Sequence[Couple], homes: Homes, sight: Sight) -> Groups:
    """The couples by what policies see of them before and after."""
    known: list[list[Couple]] = [[] for _ in base.classes]
    further: dict[tuple[object, ...], list[Couple]] = {}
    likes: dict[tuple[object, ...], tuple[int | None, int | None]] = {}
    for couple in couples:
        old = None if couple.old is None else base.of[couple.old.name]
        if couple.new is couple.old and old is not None:
            known[old].append(couple)
            continue
        seen = None if couple.new is None else sight.of(couple.new)
        new = None if seen is None else homes.known.get(seen)
        if old is not None and old == new:
            known[old].append(couple)
            continue
        key = (old, seen)
        further.setdefault(key, []).append(couple)
        likes[key] = (old, new)
    for place, item in enumerate(base.classes):
        if item.blocks:
            known[place].append(Couple(item, item))
    order = sorted(further, key=lambda key: fresh(further[key][0], likes[key]))
    return Groups(
        tuple(map(tuple, known)),
        tuple(tuple(further[key]) for key in order),
        tuple(Further(further[key][0].old, likes[key][0]) for key in order),
        tuple(Further(further[key][0].new, likes[key][1]) for key in order),
    )


def fresh(couple: Couple, likes: tuple[int | None, int | None]) -> bool:
    """Whether who is there after is told apart from all who were there."""
    return couple.new is not None and likes[1] is None


def universe(base: Universe, groups: Groups, sight: Sight, further: Sequence[Entity | None], side: str) -> Universe:
    """The classes of one side. At a class whose entity is no longer among its couples another of them stands for it, on both sides the same one."""
    shown: list[Entity] = []
    for item, group in zip(base.classes, groups.known, strict=True):
        stays = item.blocks or any(couple.new is couple.old and item.name == couple.known.name for couple in group)
        shown.append(item if stays else sight.with_ports(group[0].known) if group else NOBODY_THERE)
    shown += [item or NOBODY_THERE for item in further]
    members = [[couple.old if side == "old" else couple.new for couple in group] for group in (*groups.known, *groups.further)]
    return reshaped(base, shown, members, sight)
