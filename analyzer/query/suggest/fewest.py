"""In which sense a suggested set of policies is the smallest, each as far as it is proved.

- That no fewer NetworkPolicies can say it: a part of the cluster stands for it (one pod of those of a namespace that everybody treats alike, the addresses and flows that are told apart, in one family), and
  Z3 is asked whether fewer could say that part, whatever selectors and blocks can say (``solve/smt/covers.py``). What fewer could say of the whole they could say of the part.
- Else, of the sets in which no pod has two policies for a direction that admit something, and one direction decides between pods: pods of one namespace of which different flows are wanted need different policies there, so that there
  are as many as such groups; a group that one selector cannot tell has no fewer than the selectors that it needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from analyzer.policy.bits import members
from analyzer.query.suggest.demands import PROTOCOLS, Demand, Ends, Scene, Side, pieces
from analyzer.query.suggest.planning import Group, Planned, Planner
from analyzer.query.suggest.selectors import Labels
from analyzer.ranges import contains

if TYPE_CHECKING:
    from analyzer.solve.smt.covers import Board

# So many pairs, times kinds of flows, times policies, are looked at in a second or two.
MOST = 10_000
# So many groups are held against each other.
GROUPS = 2000
# So many ways to put pods into fewer selectors are tried.
STEPS = 20_000


def sense(scene: Scene, planner: Planner, planned: Sequence[Planned]) -> str:
    """In which sense there are no fewer policies, in words."""
    if smallest(scene, len(planned)):
        return "no fewer NetworkPolicies can say it: proved"
    way = f"where {'egress' if planner.by_egress else 'ingress'} decides between pods and at most one policy a direction admits something to a pod"
    needed = (
        [needed_by(planner, list(items)) for items in by_home(planner.groups).values()] if len(planner.groups) <= GROUPS else []
    )
    if needed and sum(max(least.values()) for least in needed) == len(planned):
        return f"no fewer can say it {way}: proved; other sets could be smaller"
    least = {name: sum(item.get(name, 0) for item in needed) for name in ("ingress", "egress")}
    if needed and least == {name: sum(item.count for item in planner.groups if item.way == name) for name in least}:
        words = " and ".join(f"{count} of {name}" for name, count in least.items())
        return f"no fewer than {words} can say it {way}: proved; other sets could be smaller"
    return "that fewer policies cannot say it is not proved"


def by_home(groups: Iterable[Group]) -> dict[str, list[Group]]:
    """The groups of each namespace."""
    found: dict[str, list[Group]] = {}
    for item in groups:
        found.setdefault(item.namespace, []).append(item)
    return found


def needed_by(planner: Planner, groups: Iterable[Group]) -> dict[str, int]:
    """How many policies a namespace needs at least for each direction: for groups of which no policy can be about pods of two."""
    found: dict[str, list[Group]] = {}
    for item in groups:
        others = found.setdefault(item.way, [])
        if all(apart(item, other) for other in others):
            others.append(item)
    return {way: sum(item.count if no_fewer(planner, item) else 1 for item in items) for way, items in found.items()}


def apart(one: Group, other: Group) -> bool:
    """Whether no policy can be about pods of both groups of a direction."""
    return one.families == other.families and (one.closed != other.closed or conflicting(one, other))


def conflicting(one: Group, other: Group) -> bool:
    """Whether the groups want different things of an end of which it matters for both."""
    free = one.free | other.free
    for protocol in PROTOCOLS:
        for low, _ in pieces((*one.demand, *other.demand), protocol):
            ends = [wanted_at(group.demand, protocol, low) for group in (one, other)]
            if (ends[0].pods ^ ends[1].pods) & ~free or ends[0].addresses != ends[1].addresses:
                return True
    return False


def wanted_at(demand: Demand, protocol: int, port: int) -> Ends:
    """The ends that are wanted at a port."""
    found = Ends()
    for ports, ends in demand:
        if any(number == protocol and contains(ranges, port) for number, ranges in ports):
            found |= ends
    return found


def no_fewer(planner: Planner, group: Group) -> bool:
    """Whether it is certain that fewer selectors do not select a group without the others."""
    if group.count < 3:
        return True
    labels = planner.labels[group.namespace]
    return packed(labels, list(members(group.pods)), group.others, group.count - 1, (), iter(range(STEPS))) is False


def packed(labels: Labels, left: list[int], others: int, most: int, taken: tuple[int, ...], steps: Iterator[int]) -> bool | None:
    """Whether pods fit into so many selectors; None where it was given up."""
    if next(steps, None) is None:
        return None
    if not left:
        return True
    given_up = False
    for place in range(min(len(taken) + 1, most)):
        more = (taken[place] if place < len(taken) else 0) | 1 << left[0]
        if labels.single(more, others) is not None:
            found = packed(labels, left[1:], others, most, (*taken[:place], more, *taken[place + 1 :]), steps)
            if found:
                return True
            given_up = given_up or found is None
    return None if given_up else False


def smallest(scene: Scene, count: int) -> bool:
    """Whether it is proved that fewer policies cannot say it."""
    from analyzer.solve.smt.covers import fewer

    if not count:
        return True
    board = board_of(Side(scene, scene.families[0]))
    return len(board.wanted) * board.flows * count <= MOST and fewer(board, count - 1) is False


def board_of(side: Side) -> Board:
    """The part of the cluster that stands for it."""
    from analyzer.solve.smt.covers import Board, Pair

    subjects = [place for place in members(side.pods) if side.each[place].pods]
    others = [place for place, ends in enumerate(side.each) if ends.addresses and not ends.pods]
    subjects = first_of_each(side, subjects, [*subjects, *others])
    others = first_of_each(side, others, subjects)
    ends = [*subjects, *others]
    pairs = [(Pair(one, other), wanted(side, ends[one], ends[other])) for one, other in pairs_of(len(subjects), len(ends))]
    kinds = [kind & -kind for kind in told_apart(side.flows, {flows for _, flows in pairs})]
    found = {pair: sum(1 << number for number, kind in enumerate(kinds) if flows & kind) for pair, flows in pairs}
    return Board(tuple(side.factors.universe.classes[place].namespace for place in subjects), len(kinds), found)


def pairs_of(subjects: int, ends: int) -> Iterator[tuple[int, int]]:
    """The pairs of two ends, one of which at least is a subject."""
    for one in range(ends):
        yield from ((one, other) for other in range(ends) if one != other and min(one, other) < subjects)


def wanted(side: Side, source: int, destination: int) -> int:
    """The flows that are wanted between two classes."""
    return side.factors.pair(source, destination)[0] & side.flows


def first_of_each(side: Side, places: Iterable[int], ends: Iterable[int]) -> list[int]:
    """The first of the classes of a namespace to and from which the same is wanted, of all other ends."""
    known: dict[tuple[object, ...], int] = {}
    others = list(ends)
    for place in places:
        row = tuple(wanted(side, place, end) for end in others), tuple(wanted(side, end, place) for end in others)
        known.setdefault((side.factors.universe.classes[place].namespace, row), place)
    return list(known.values())


def told_apart(flows: int, sets: Iterable[int]) -> list[int]:
    """The flows in parts that no set tells apart."""
    parts = [flows] if flows else []
    for one in sorted(sets):
        parts = [part for old in parts for part in (old & one, old & ~one) if part]
    return parts
