"""Unites sets of states that are alike: fewer sets for the same states."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Mapping, Sequence

from analyzer.ranges import EMPTY, Ranges, union
from analyzer.solve.sets.joint import together
from analyzer.solve.sets.regions import State

Answers = frozenset[tuple[str, bool]]
Dimension = str | int
"""What states may differ in: a variable of the region, or one of the joints."""


def merged(states: list[State]) -> list[State]:
    """The same states in fewer sets: those that are equal but for one variable's values, or but for the answer to one opaque test,
    are united. The order of the first members is kept."""
    if len(states) < 2:
        return states
    groups: dict[tuple[object, ...], list[State]] = {}
    for state in states:
        key = (state.env, state.frames, state.current, len(state.connections), *state[6:8], names_of(state))
        groups.setdefault(key, []).append(state)
    result: list[State] = []
    for same in groups.values():
        for group in by_connections(same) if len(same) > 1 else [same]:
            result += united(forgotten(group)) if len(group) > 1 else group
    return result


def names_of(state: State) -> tuple[tuple[str, ...], ...]:
    """The variables that go together."""
    return tuple(joint.names for joint in state.joints)


def by_connections(states: list[State]) -> list[list[State]]:
    """The states, apart by their connections: compared, which is cheaper than hashed."""
    groups: list[list[State]] = []
    for state in states:
        for group in groups:
            if group[0].connections == state.connections:
                group.append(state)
                break
        else:
            groups.append([state])
    return groups


def forgotten(group: list[State]) -> list[State]:
    """Drops the answers to tests where both answers led to the same states."""
    if not any(state.answers for state in group):
        return group
    alike: dict[object, dict[Answers, State]] = {}
    for state in group:
        same = alike.setdefault((frozenset(state.region.items()), state.joints), {})
        same.setdefault(state.answers, state)
    return [state for same in alike.values() for state in (fewer(same) if len(same) > 1 else same).values()]


def fewer(states: Mapping[Answers, State]) -> dict[Answers, State]:
    """States that differ in their answers only, in fewer: two whose answers differ in one test are one without it, the longest first."""
    found, waiting = dict(states), sorted(states, key=len)
    while waiting:
        own = waiting.pop()
        other = next((flipped for item in sorted(own) if (flipped := own ^ {item, (item[0], not item[1])}) in found), None)
        if own not in found or other is None:
            continue
        rest = own & other
        one, two = found.pop(own), found.pop(other)
        found.setdefault(rest, one._replace(answers=rest, hops=max(one.hops, two.hops)))
        insort(waiting, rest, key=len)
    return {frozenset(): found[frozenset()]} if frozenset() in found else found


def united(group: list[State]) -> list[State]:
    """Unites states of equal shape, variable by variable, until nothing changes."""
    dimensions = differences(group)
    if len(dimensions) < 2 and len({len(state.region) for state in group}) == 1 and len({s.answers for s in group}) == 1:
        return [one_of(group, dimensions[0])] if dimensions else group[:1]
    while len(group) > 1:
        before = len(group)
        for dimension in dimensions:
            group = along(group, dimension, dimensions)
        if len(group) == before:
            break
    return group


def differences(group: Sequence[State]) -> list[Dimension]:
    """What the states of a group differ in; the group's joints have the same variables."""
    first = group[0]
    names = first.region if all(len(state.region) == len(first.region) for state in group) else regions(group)
    found: list[Dimension] = [name for name in names if any(state.region.get(name) != first.region.get(name) for state in group)]
    return found + [place for place, own in enumerate(first.joints) if any(state.joints[place] != own for state in group)]


def regions(group: Iterable[State]) -> dict[str, None]:
    """The variables that are in some state's region."""
    return dict.fromkeys(name for state in group for name in state.region)


def value(state: State, dimension: Dimension) -> object:
    """What a state has there."""
    return state.region.get(dimension) if isinstance(dimension, str) else state.joints[dimension]


def along(group: list[State], dimension: Dimension, dimensions: Sequence[Dimension]) -> list[State]:
    """Unites the states that are equal but for this; ``dimensions`` are all that they differ in."""
    others = [other for other in dimensions if other != dimension]
    found: dict[object, list[State]] = {}
    for state in group:
        rest = tuple(value(state, other) for other in others)
        found.setdefault((rest, state.answers), []).append(state)
    return [one_of(same, dimension) if len(same) > 1 else same[0] for same in found.values()]


def one_of(same: Sequence[State], dimension: Dimension) -> State:
    """One state for several that are equal but for this."""
    first, hops = same[0], max(state.hops for state in same)
    if isinstance(dimension, int):
        joint = together(tuple(state.joints[dimension] for state in same))
        return first._replace(joints=(*first.joints[:dimension], joint, *first.joints[dimension + 1 :]), hops=hops)
    ranges = all_of(state.region.get(dimension, EMPTY) for state in same)
    region = {**first.region, dimension: ranges} if ranges else first.region
    return first._replace(region=region, hops=hops)


def all_of(sets: Iterable[Ranges]) -> Ranges:
    """The union of many sets, joined pairwise."""
    waiting = list(sets)
    while len(waiting) > 1:
        waiting = [union(*waiting[i : i + 2]) if i + 1 < len(waiting) else waiting[i] for i in range(0, len(waiting), 2)]
    return waiting[0]
