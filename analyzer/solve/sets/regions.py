"""Sets of states: a region of values for each variable, and fields that are constants or variables of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from analyzer.ranges import EMPTY, Ranges, contains, difference, intersection, is_single, joined, single
from analyzer.solve.sets.joint import Joint, product
from analyzer.solve.states import CONNECTION_MARK, FIELDS, INDEX, Connection, Tuple
from analyzer.source import Span
from analyzer.transfer import ir

Value = int | str
Env = tuple[Value, ...]
Region = Mapping[str, Ranges]


class BeyondSets(Exception):
    """Sets of this shape cannot say what happens."""


class Named(NamedTuple):
    """A value that a state has already."""

    value: Value


class Together(NamedTuple):
    """What holds of two variables: they are equal (then only ``left`` is in the region) or they differ."""

    left: str
    right: str
    equal: bool


class State(NamedTuple):
    """Every state whose variables are in the region and, where they go together, in a row of each of ``joints`` (these are not in the region).

    ``fresh`` counts the variables that choices made; ``hops`` the points passed; ``answers`` are those to opaque tests (and True for a
    choice that nobody knows).
    """

    region: Region
    env: Env
    frames: tuple[Env, ...] = ()
    connections: tuple[Connection[Value], ...] = ()
    current: int = -1
    answers: frozenset[tuple[str, bool]] = frozenset()
    together: tuple[Together, ...] = ()
    fresh: int = 0
    hops: int = 0
    joints: tuple[Joint, ...] = ()


class Result(NamedTuple):
    """A set of states and the exit by which they leave; ``at`` is where that is decided. ``beyond``: the rest is not known to this engine."""

    exit: ir.Exit
    at: Span | None
    state: State
    beyond: bool = False


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
    if not isinstance(value, str):
        return single(value)
    found = state.region.get(value)
    return found if found is not None else state.joints[place_of(state, value)].column(value)


def place_of(state: State, name: str) -> int:
    """Which of the joints has a variable; -1 where none has."""
    for place, joint in enumerate(state.joints):
        if name in joint.names:
            return place
    return -1


def variables(state: State) -> dict[str, Ranges]:
    """Every variable with its values."""
    return {**state.region, **{name: joint.column(name) for joint in state.joints for name in joint.names}}


def narrowed(state: State, variable: str, ranges: Ranges) -> State | None:
    """The states whose variable is in the ranges (which are within its own); None when there are none."""
    if variable in state.region:
        return within(state, variable, ranges)
    if ranges == values_of(state, variable):
        return state
    place = place_of(state, variable)
    return with_joint(state, place, state.joints[place].within(variable, ranges), variable)


def within(state: State, variable: str, ranges: Ranges) -> State | None:
    """``narrowed``, for a variable of the region."""
    if not ranges:
        return None
    after = State({**state.region, variable: ranges}, *state[1:])
    return settled(after, variable) if state.together else after


def divided(state: State, variable: str, held: Ranges) -> tuple[State | None, State | None]:
    """The states whose variable is in the ranges, and the others."""
    if variable in state.region:
        own = state.region[variable]
        return within(state, variable, intersection(own, held)), within(state, variable, difference(own, held))
    place = place_of(state, variable)
    inside, outside = state.joints[place].divided(variable, held)
    return with_joint(state, place, inside, variable), with_joint(state, place, outside, variable)


def without(state: State, variable: str, held: Ranges) -> State | None:
    """The states whose variable is not in the ranges. The others are not looked at: where two variables must differ and have one value each, the same,
    each would be settled by the other without an end."""
    if variable in state.region:
        return within(state, variable, difference(state.region[variable], held))
    place = place_of(state, variable)
    return with_joint(state, place, state.joints[place].divided(variable, held)[1], variable)


def with_joint(state: State, place: int, joint: Joint | None, variable: str) -> State | None:
    """The states with other rows in one of the joints."""
    if joint is None or joint is state.joints[place]:
        return None if joint is None else state
    after = state._replace(joints=(*state.joints[:place], joint, *state.joints[place + 1 :]))
    return settled(after, variable) if state.together else after


def settled(state: State, variable: str) -> State | None:
    """What must differ from a variable that has one value only does."""
    joints = [differing(joint, state.together) for joint in state.joints]
    if None in joints:
        return None
    after = state._replace(joints=tuple(joint for joint in joints if joint is not None))
    ranges = values_of(after, variable)
    return spread(after, variable, ranges[0][0]) if is_single(ranges) else after


def entered(state: State, names: Sequence[str]) -> State:
    """The variables are in one joint, the last."""
    own = [joint for joint in state.joints if any(name in joint.names for name in names)]
    alone = [Joint((name,), ((state.region[name],),)) for name in names if name in state.region]
    if len(own) + len(alone) == 1:
        return (
            state._replace(joints=(*(joint for joint in state.joints if joint not in own), *own))
            if own
            else alone_in(state, alone)
        )
    return alone_in(state._replace(joints=tuple(joint for joint in state.joints if joint not in own)), [product([*own, *alone])])


def alone_in(state: State, joints: Sequence[Joint]) -> State:
    """The state with more joints, whose variables leave the region."""
    names = {name for joint in joints for name in joint.names}
    region = {name: ranges for name, ranges in state.region.items() if name not in names}
    return state._replace(region=region, joints=(*state.joints, *joints))


def differing(joint: Joint, together: Sequence[Together]) -> Joint | None:
    """The rows without those in which two variables that must differ have one value."""
    for left, right, equal in together:
        if not equal and left in joint.names and right in joint.names:
            rows = [row for row, mine, its in joint.paired(left, right) if mine != its or not is_single(mine)]
            found = joint.of(rows)
            if found is None:
                return None
            joint = found
    return joint


def spread(state: State, variable: str, value: int) -> State | None:
    """What has one value only is taken from the variables that differ from it."""
    for pair in state.together:
        if not pair.equal and variable in (pair.left, pair.right):
            other = pair.right if pair.left == variable else pair.left
            if contains(values_of(state, other), value):
                after = without(state, other, single(value))
                if after is None:
                    return None
                state = after
    return state


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


def chosen(state: State, ranges: Ranges | Named) -> tuple[State, Value] | None:
    """A new variable for some value of the ranges; the value itself where there is one only, or it has a name."""
    if isinstance(ranges, Named):
        return state, ranges.value
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
    own, others = values_of(state, left), values_of(state, right)
    common = intersection(own, others)
    if not common:
        return None, state
    if isinstance(right, int) or is_single(others):
        return divided(state, left, common)
    if Together(left, right, False) in state.together or Together(right, left, False) in state.together:
        return None, state
    if is_single(own):
        return divided(state, right, common)
    if left not in state.region or right not in state.region:
        return compared_rows(state, left, right)
    return unified(state, left, right, common), state._replace(together=(*state.together, Together(left, right, False)))


def compared_rows(state: State, left: str, right: str) -> tuple[State | None, State | None]:
    """``compared``, row by row, where one of the variables goes together with others."""
    state = entered(state, (left, right))
    *rest, joint = state.joints
    equal, other, unsettled = joint.compared(left, right)
    same = state._replace(joints=(*rest, equal)) if equal is not None else None
    differ = state._replace(joints=(*rest, other)) if other is not None else None
    if differ is not None and unsettled:
        differ = differ._replace(together=(*state.together, Together(left, right, False)))
    return unified(same, left, right, EMPTY) if same is not None else None, differ


def unified(state: State, left: str, right: str, common: Ranges) -> State | None:
    """The states in which the variables are equal: ``right`` is ``left`` from here. ``common`` are the values where they are the region's."""
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
    if right in state.region:
        return within(after, left, common)
    joints = tuple(joint.without(right) if right in joint.names else joint for joint in state.joints)
    return settled(after._replace(joints=joints), left)


def renamed(values: Sequence[Value], left: str, right: str) -> Env:
    """``left`` wherever ``right`` stood."""
    return tuple(left if value == right else value for value in values)


def renamed_pair(pair: Together, left: str, right: str) -> Together:
    """The pair, about ``left`` where it was about ``right``."""
    if pair.equal:
        return Together(left if pair.left == right else pair.left, pair.right, True)
    return Together(left if pair.left == right else pair.left, left if pair.right == right else pair.right, False)


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


def of_others(state: State, region: Mapping[str, Ranges], joints: tuple[Joint, ...]) -> State:
    """A set of packets with other values; of variables that equal another, those whose other is left."""
    known, kept = {*region, *(name for one in joints for name in one.names)}, list[Together]()
    for pair in reversed(state.together):
        if pair.equal and pair.left in known:
            known.add(pair.right)
            kept.append(pair)
    return State(region, (0,) * len(FIELDS), together=tuple(reversed(kept)), fresh=state.fresh, joints=joints)
