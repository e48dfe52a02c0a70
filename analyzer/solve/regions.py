"""Sets of states: a region of values for each variable, and fields that are constants or variables of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from analyzer.ranges import EMPTY, Ranges, contains, difference, intersection, single, union
from analyzer.solve.states import CONNECTION_MARK, FIELDS, INDEX, Connection, Tuple
from analyzer.transfer import ir

Value = int | str
Env = tuple[Value, ...]
Region = Mapping[str, Ranges]


class BeyondSets(Exception):
    """Sets of this shape cannot say what happens."""


class Together(NamedTuple):
    """What holds of two variables: they are equal (then only ``left`` is in the region) or they differ."""

    left: str
    right: str
    equal: bool


class State(NamedTuple):
    """Every state whose variables are in the region. ``fresh`` counts the variables that choices made; ``hops`` the points passed;
    ``answers`` are those to opaque tests (and True for a choice that nobody knows)."""

    region: Region
    env: Env
    frames: tuple[Env, ...] = ()
    connections: tuple[Connection[Value], ...] = ()
    current: int = -1
    answers: frozenset[tuple[str, bool]] = frozenset()
    together: tuple[Together, ...] = ()
    fresh: int = 0
    hops: int = 0


def start(values: Mapping[ir.Field, int | Ranges]) -> State:
    """A state set: a number is a constant, ranges make a variable with the field's name; all other fields are 0."""
    region: dict[str, Ranges] = {}
    env: list[Value] = [0] * len(FIELDS)
    for field, value in values.items():
        if isinstance(value, int):
            env[INDEX[field]] = value
        else:
            region[field.value] = value
            env[INDEX[field]] = field.value
    return State(region, tuple(env))


def values_of(state: State, value: Value) -> Ranges:
    """The values that a constant or a variable may have."""
    return state.region[value] if isinstance(value, str) else single(value)


def narrowed(state: State, variable: str, ranges: Ranges) -> State | None:
    """The states whose variable is in the ranges (which are within its own); None when there are none."""
    if not ranges:
        return None
    after = state._replace(region={**state.region, variable: ranges})
    return spread(after, variable, ranges[0][0]) if state.together and is_single(ranges) else after


def spread(state: State, variable: str, value: int) -> State | None:
    """What has one value only is taken from the variables that differ from it."""
    for pair in state.together:
        if not pair.equal and variable in (pair.left, pair.right):
            other = pair.right if pair.left == variable else pair.left
            if contains(state.region[other], value):
                after = narrowed(state, other, difference(state.region[other], single(value)))
                if after is None:
                    return None
                state = after
    return state


def is_single(ranges: Ranges) -> bool:
    """Whether there is one value only."""
    return len(ranges) == 1 and ranges[0][0] == ranges[0][1]


def replaced(env: Env, position: int, value: Value) -> Env:
    """The fields with another value at one position."""
    return (*env[:position], value, *env[position + 1 :])


def put(state: State, position: int, value: Value) -> State:
    """A field gets a value; the mark of the connection is the connection's too."""
    after = state._replace(env=replaced(state.env, position, value))
    if position == CONNECTION_MARK and state.current >= 0:
        return stored(after, state.connections[state.current]._replace(mark=value))
    return after


def stored(state: State, own: Connection[Value]) -> State:
    """The state with the packet's connection changed."""
    connections = (*state.connections[: state.current], own, *state.connections[state.current + 1 :])
    return state._replace(connections=connections)


def chosen(state: State, ranges: Ranges) -> tuple[State, Value] | None:
    """A new variable for some value of the ranges; the value itself where there is one only."""
    if not ranges:
        return None
    if is_single(ranges):
        return state, ranges[0][0]
    name = f"choice {state.fresh}"
    return state._replace(region={**state.region, name: ranges}, fresh=state.fresh + 1), name


def compared(state: State, left: Value, right: Value) -> tuple[State | None, State | None]:
    """The states in which two values are equal, and those in which they differ."""
    if left == right:
        return state, None
    if isinstance(left, int):
        if isinstance(right, int):
            return None, state
        left, right = right, left
    own, others = state.region[left], values_of(state, right)
    common = intersection(own, others)
    if not common:
        return None, state
    if isinstance(right, int):
        return narrowed(state, left, common), narrowed(state, left, difference(own, common))
    if Together(left, right, False) in state.together or Together(right, left, False) in state.together:
        return None, state
    if is_single(others):
        return narrowed(state, left, common), narrowed(state, left, difference(own, common))
    if is_single(own):
        return narrowed(state, right, common), narrowed(state, right, difference(others, common))
    return unified(state, left, right, common), state._replace(together=(*state.together, Together(left, right, False)))


def unified(state: State, left: str, right: str, common: Ranges) -> State | None:
    """The states in which the variables are equal: ``right`` is ``left`` from here."""
    pairs = tuple(renamed_pair(pair, left, right) for pair in state.together)
    if any(pair.left == pair.right and not pair.equal for pair in pairs):
        return None
    region = {name: ranges for name, ranges in state.region.items() if name != right}
    connections = tuple(
        item._replace(
            original=Tuple(*renamed(item.original, left, right)),
            reply=Tuple(*renamed(item.reply, left, right)),
            mark=left if item.mark == right else item.mark,
            guards=tuple((left if name == right else name, ranges) for name, ranges in item.guards),
        )
        for item in state.connections
    )
    after = state._replace(
        region=region,
        env=renamed(state.env, left, right),
        frames=tuple(renamed(frame, left, right) for frame in state.frames),
        connections=connections,
        together=(*pairs, Together(left, right, True)),
    )
    return narrowed(after, left, common)


def renamed(values: Sequence[Value], left: str, right: str) -> Env:
    """``left`` wherever ``right`` stood."""
    return tuple(left if value == right else value for value in values)


def renamed_pair(pair: Together, left: str, right: str) -> Together:
    """The pair, about ``left`` where it was about ``right``."""
    if pair.equal:
        return Together(left if pair.left == right else pair.left, pair.right, True)
    return Together(left if pair.left == right else pair.left, left if pair.right == right else pair.right, False)


def merged(states: list[State]) -> list[State]:
    """The same states in fewer sets: those that are equal but for one variable's values, or but for the answer to one opaque test,
    are united. The order of the first members is kept."""
    if len(states) < 2:
        return states
    groups: dict[tuple[object, ...], list[State]] = {}
    for state in states:
        groups.setdefault((state.env, state.frames, state.current, len(state.connections), *state[6:8]), []).append(state)
    result: list[State] = []
    for same in groups.values():
        for group in by_connections(same) if len(same) > 1 else [same]:
            result += united(forgotten(group)) if len(group) > 1 else group
    return result


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
    """Drops the answer to a test where both answers led to the same states."""
    texts = sorted({text for state in group for text, _ in state.answers})
    for text in texts:
        seen: dict[object, State] = {}
        for state in group:
            rest = frozenset(item for item in state.answers if item[0] != text)
            key = (tuple(state.region.items()), rest)
            before = seen.get(key) if len(rest) < len(state.answers) else None
            if before is not None and before.answers != state.answers:
                seen[key] = before._replace(answers=rest)
            else:
                seen.setdefault(key if len(rest) < len(state.answers) else (key, "whole"), state)
        group = list(seen.values())
    return group


def united(group: list[State]) -> list[State]:
    """Unites states of equal shape, variable by variable, until nothing changes."""
    first = group[0].region
    names = [name for name in first if any(state.region.get(name) != first[name] for state in group)]
    odd = any(len(state.region) != len(first) for state in group)
    if odd or len(names) > 1:
        names = list(dict.fromkeys(name for state in group for name in state.region)) if odd else names
    elif all(state.answers == group[0].answers for state in group):
        return [one_of(group, names[0])] if names else group[:1]
    while len(group) > 1:
        before = len(group)
        for name in names:
            group = along(group, name, names)
        if len(group) == before:
            break
    return group


def along(group: list[State], name: str, names: list[str]) -> list[State]:
    """Unites the states that are equal but for this variable; ``names`` are those that differ at all."""
    others = [other for other in names if other != name]
    found: dict[object, list[State]] = {}
    for state in group:
        rest = tuple(state.region.get(other) for other in others)
        found.setdefault((rest, state.answers), []).append(state)
    return [one_of(same, name) if len(same) > 1 else same[0] for same in found.values()]


def one_of(same: list[State], name: str) -> State:
    """One state for several that are equal but for this variable."""
    ranges = all_of(state.region.get(name, EMPTY) for state in same)
    region = {**same[0].region, name: ranges} if ranges else same[0].region
    return same[0]._replace(region=region, hops=max(state.hops for state in same))


def all_of(sets: Iterable[Ranges]) -> Ranges:
    """The union of many sets, joined pairwise."""
    waiting = list(sets)
    while len(waiting) > 1:
        waiting = [union(*waiting[i : i + 2]) if i + 1 < len(waiting) else waiting[i] for i in range(0, len(waiting), 2)]
    return waiting[0]


def masked(ranges: Ranges, mask: int, value: int, width: int) -> Ranges | None:
    """The values of the ranges with ``x & mask == value``; None where these are too many ranges to write down."""
    if value & ~mask:
        return EMPTY
    low = (mask & -mask).bit_length() - 1 if mask else width
    holes = [bit for bit in range(low, width) if not mask >> bit & 1]
    if len(holes) > 10:
        return few(ranges, mask, value)
    starts = [value]
    for bit in holes:
        starts += [first | 1 << bit for first in starts]
    last = (1 << low) - 1
    return intersection(ranges, joined(sorted((first, first | last) for first in starts)))


def few(ranges: Ranges, mask: int, value: int) -> Ranges | None:
    """``masked``, one value after the other."""
    if sum(high - low + 1 for low, high in ranges) > 4096:
        return None
    return joined((item, item) for low, high in ranges for item in range(low, high + 1) if item & mask == value)


def joined(pairs: Iterable[tuple[int, int]]) -> Ranges:
    """Ascending, disjoint pairs as ranges."""
    result: list[tuple[int, int]] = []
    for low, high in pairs:
        if result and result[-1][1] + 1 == low:
            result[-1] = (result[-1][0], high)
        else:
            result.append((low, high))
    return tuple(result)


def points(state: State, prefer: Mapping[str, Sequence[int]]) -> dict[str, int] | None:
    """One value for each variable: a preferred one that it may have, else its lowest; variables that must differ do. None: not found."""
    found: dict[str, int] = {}
    if not _fill(state, list(state.region), prefer, found):
        return None
    for pair in reversed(state.together):
        if pair.equal:
            found[pair.right] = found[pair.left]
    return found


def _fill(state: State, names: list[str], prefer: Mapping[str, Sequence[int]], found: dict[str, int]) -> bool:
    if not names:
        return True
    name = names[0]
    for value in candidates(state.region[name], prefer.get(name, ())):
        if not any(clash(pair, name, value, found) for pair in state.together):
            found[name] = value
            if _fill(state, names[1:], prefer, found):
                return True
            del found[name]
    return False


def candidates(ranges: Ranges, prefer: Sequence[int]) -> Iterator[int]:
    """The preferred values that are in the ranges, then the lowest ones."""
    yield from (value for value in prefer if contains(ranges, value))
    low, high = ranges[0]
    yield from range(low, min(high, low + 8) + 1)
    yield from (first for first, _ in ranges[1:8])


def clash(pair: Together, name: str, value: int, found: Mapping[str, int]) -> bool:
    """Whether a value breaks a pair that must differ."""
    if pair.equal or name not in (pair.left, pair.right):
        return False
    other = pair.right if pair.left == name else pair.left
    return found.get(other) == value
