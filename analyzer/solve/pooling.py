"""Unites sets of states that have different connections behind them: each connection is then there only for its own packets.

Packets of many nodes meet at one; they differ in where they come from, and in the connections that the way there has left. The united
set keeps all of these, each with the guard that tells whose it is, so that nothing is gained or lost.
"""

from __future__ import annotations

from analyzer.ranges import Ranges, intersection, union
from analyzer.solve.regions import State, Value
from analyzer.solve.states import Connection

MOST, RAGGED = 400, 64
Entry = Connection[Value]


def pooled(states: list[State]) -> list[State]:
    """The same states in fewer sets: those with equal fields that differ in one variable and in their connections are united."""
    if len(states) < 2:
        return states
    groups: dict[object, list[State]] = {}
    for state in states:
        own = state.connections[state.current] if state.current >= 0 else None
        key = named(own) if own is not None else None
        groups.setdefault((state.env, state.frames, key, *state[5:8], tuple(state.region)), []).append(state)
    return [one for group in groups.values() for one in (along_each(group) if len(group) > 1 else group)]


def along_each(group: list[State]) -> list[State]:
    """Unites along each variable in turn."""
    first = group[0].region
    names = [name for name in first if any(state.region[name] != first[name] for state in group)]
    for name in names:
        buckets: dict[object, list[State]] = {}
        for state in group:
            buckets.setdefault(tuple(state.region[other] for other in names if other != name), []).append(state)
        group = [one for bucket in buckets.values() for one in folded(bucket, name)]
    return group


def folded(bucket: list[State], name: str) -> list[State]:
    """Unites the states of a bucket one after the other; those that cannot be stay."""
    result = [bucket[0]]
    for state in bucket[1:]:
        both = together(result[-1], state, name)
        if both is None:
            result.append(state)
        else:
            result[-1] = both
    return result


def together(left: State, right: State, name: str) -> State | None:
    """One set for two that differ in a variable and in their connections; None where the variable does not tell them apart, or the order
    in which connections are asked cannot be kept."""
    mine, other = left.region[name], right.region[name]
    if len(mine) + len(other) > RAGGED or intersection(mine, other) or len(left.connections) + len(right.connections) > MOST:
        return None
    found = interleaved(left.connections, right.connections, (name, mine), (name, other))
    if found is None:
        return None
    own = left.connections[left.current] if left.current >= 0 else None
    current = next((i for i, item in enumerate(found) if item == own), -1) if own is not None else -1
    region = {**left.region, name: union(mine, other)}
    return left._replace(region=region, connections=tuple(found), current=current, hops=max(left.hops, right.hops))


def interleaved(
    left: tuple[Entry, ...], right: tuple[Entry, ...], mine: tuple[str, Ranges], other: tuple[str, Ranges]
) -> list[Entry] | None:
    """Both lists in their order; what is in one list only is guarded."""
    names, others = [named(item) for item in left], [named(item) for item in right]
    shared = set(names) & set(others)
    if [name for name in names if name in shared] != [name for name in others if name in shared]:
        return None
    result: list[Entry] = []
    place = 0
    for item, name in zip(left, names, strict=True):
        if name not in shared:
            result.append(guarded(item, mine))
            continue
        while others[place] != name:
            result.append(guarded(right[place], other))
            place += 1
        place += 1
        result.append(item)
    return result + [guarded(item, other) for item in right[place:]]


def named(item: Entry) -> object:
    """What tells a connection from others, quick to hash."""
    return item.scope.node, item.scope.namespace, item[1:]


def guarded(item: Entry, guard: tuple[str, Ranges]) -> Entry:
    """The connection, only where the variable is in the ranges; an equal guard is not said twice."""
    name, ranges = guard
    if not item.guards:
        return item._replace(guards=(guard,))
    before = dict(item.guards).get(name)
    narrow = ranges if before is None else intersection(before, ranges)
    return item._replace(guards=tuple(sorted({**dict(item.guards), name: narrow}.items())))
