"""Unites sets of states that have different connections behind them: each connection is then there only for its own packets.

Packets of many nodes meet at one; they differ in where they come from, and in the connections that the way there has left. The united
set keeps all of these, each with the guard that tells whose it is, so that nothing is gained or lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from analyzer.ranges import Ranges, intersection, normalised
from analyzer.solve.sets.regions import State, Value, values_of
from analyzer.solve.sets.uniting import Dimension, differences, names_of, one_of, value
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
        groups.setdefault((state.env, state.frames, key, *state[5:8], frozenset(state.region), names_of(state)), []).append(state)
    return [one for group in groups.values() for one in (along_each(group) if len(group) > 1 else group)]


@dataclass(slots=True)
class Pruning:
    """Takes away the connections that are not there for any of a state's packets, and guards that tell nothing any more. What was worked
    out is kept: states that were one before have the very same connections."""

    names: dict[int, tuple[tuple[Entry, ...], tuple[str, ...]]] = field(default_factory=dict)
    found: dict[object, tuple[tuple[Entry, ...], tuple[int, ...]]] = field(default_factory=dict)

    def pruned(self, state: State) -> State:
        """The state with fewer connections."""
        own = state.connections
        known = self.names.get(id(own))
        if known is None:
            guards = tuple(dict.fromkeys(name for item in own for name, _ in item.guards))
            known = self.names[id(own)] = (own, guards)
        if not known[1]:
            return state
        key = (id(own), *(values_of(state, name) for name in known[1]))
        result = self.found.get(key)
        if result is None:
            values = {name: values_of(state, name) for name in known[1]}
            kept = [(place, item) for place, one in enumerate(own) if (item := there(values, one)) is not None]
            result = self.found[key] = (tuple(item for _, item in kept), tuple(place for place, _ in kept))
        connections, places = result
        current = places.index(state.current) if state.current >= 0 else -1
        return state._replace(connections=connections, current=current)


def there(values: Mapping[str, Ranges], item: Entry) -> Entry | None:
    """The connection with the guards that still tell, by the values that the variables have; None where it is there for no packet."""
    if not item.guards:
        return item
    guards = []
    for name, ranges in item.guards:
        own = values[name]
        held = intersection(own, ranges)
        if not held:
            return None
        if held != own:
            guards.append((name, ranges))
    return item if len(guards) == len(item.guards) else item._replace(guards=tuple(guards))


def along_each(group: list[State]) -> list[State]:
    """Unites along each variable in turn, and along what goes together."""
    dimensions = differences(group)
    for dimension in dimensions:
        buckets: dict[object, list[State]] = {}
        for state in group:
            rest = tuple(value(state, other) for other in dimensions if other != dimension)
            buckets.setdefault(rest, []).append(state)
        group = [one for bucket in buckets.values() for one in folded(bucket, dimension)]
    return group


def folded(bucket: list[State], dimension: Dimension) -> list[State]:
    """Unites the states of a bucket that a variable tells apart; those that cannot be united stay."""
    result: list[State] = []
    while len(bucket) > 1:
        guard = dimension if isinstance(dimension, str) else telling(bucket, dimension)
        taken, left = [bucket[0]], []
        order = [named(item) for item in bucket[0].connections]
        values = values_of(bucket[0], guard)
        for state in bucket[1:]:
            mine = values_of(state, guard)
            apart = len(values) + len(mine) <= RAGGED and not intersection(values, mine)
            merged = interleaved(order, [named(item) for item in state.connections]) if apart else None
            if merged is None or len(merged) > MOST:
                left.append(state)
            else:
                taken.append(state)
                order, values = merged, normalised(values + mine)
        result.append(pool(taken, order, dimension, guard) if len(taken) > 1 else taken[0])
        bucket = left
    return result + bucket


def telling(bucket: Sequence[State], place: int) -> str:
    """A variable, among those that go together, that tells the first two states apart and has few ranges; the first where none does."""
    first, second = (state.joints[place] for state in bucket[:2])
    for name in first.names:
        mine, its = first.column(name), second.column(name)
        if len(mine) + len(its) <= RAGGED and not intersection(mine, its):
            return name
    return first.names[0]


def pool(taken: Sequence[State], order: Sequence[object], dimension: Dimension, guard: str) -> State:
    """One state for several: a connection that only some of them have is there for their values of the guard."""
    first = taken[0]
    found: dict[object, Entry] = {}
    whose: dict[object, list[State]] = {}
    for state in taken:
        for item in state.connections:
            key = named(item)
            found.setdefault(key, item)
            whose.setdefault(key, []).append(state)
    connections = tuple(
        found[key] if len(whose[key]) == len(taken) else guarded(found[key], (guard, spoken(whose[key], guard))) for key in order
    )
    own = named(first.connections[first.current]) if first.current >= 0 else None
    current = list(order).index(own) if own is not None else -1
    return one_of(taken, dimension)._replace(connections=connections, current=current)


def spoken(states: Sequence[State], name: str) -> Ranges:
    """The values of a variable in any of the states."""
    return normalised(pair for state in states for pair in values_of(state, name))


def interleaved(left: list[object], right: list[object]) -> list[object] | None:
    """Both lists in their order; None where what they share does not stand in one order."""
    if left == right:
        return left
    mine, others = set(left), set(right)
    if [name for name in left if name in others] != [name for name in right if name in mine]:
        return None
    result: list[object] = []
    waiting: Iterator[object] = iter(right)
    for name in left:
        if name in others:
            for other in waiting:
                if other == name:
                    break
                result.append(other)
        result.append(name)
    return [*result, *waiting]


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
