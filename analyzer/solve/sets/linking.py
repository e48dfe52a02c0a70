"""Unites sets of states that differ in a field's constant too: the field becomes a variable that goes together with what they differ in.

Ten thousand services are one set then, in which the endpoint's address goes together with the service's; and the pods of a node are one
set, in which the interface goes together with the pod's address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from analyzer.ranges import single
from analyzer.solve.sets.joint import Joint, together
from analyzer.solve.sets.regions import State, Value, entered, place_of, stored
from analyzer.solve.sets.uniting import Dimension, differences, names_of, value
from analyzer.solve.states import DESTINATION, DESTINATION_PORT, FIELDS

LARGEST = 200_000
ASKED = frozenset(name.value for name in FIELDS)


def linked(states: list[State], places: Sequence[int]) -> list[State]:
    """The same states in fewer sets: those that differ only in the constants of these fields, and in what these go together with. Sets with
    other connections behind them get the same form, and stay apart."""
    if len(states) < 2:
        return states
    groups: dict[object, list[State]] = {}
    for state in states:
        groups.setdefault(apart(state, places), []).append(state)
    known: dict[object, Joint] = {}
    return [one for group in groups.values() for one in (whole(group, places, known) if len(group) > 1 else group)]


def apart(state: State, places: Sequence[int]) -> object:
    """What must be equal in sets that get one form: all but the constants of the fields, what variables may be, and connections."""
    env = tuple(one for place, one in enumerate(state.env) if place not in places or isinstance(one, str))
    kinds = tuple(isinstance(state.env[place], str) for place in places)
    return env, kinds, state.frames, state.current >= 0, *state[5:8], frozenset(state.region), names_of(state)


def whole(group: list[State], places: Sequence[int], known: dict[object, Joint]) -> list[State]:
    """The sets in one form, united where their connections are alike; as they are where no field differs, or that would be too many rows.
    ``known``: what sets of several groups differ in from their own group is often the same, and is made once."""
    first, found = group[0], differences(group)
    changing = [place for place in places if any(state.env[place] != first.env[place] for state in group)]
    rows = sum(prod(len(state.joints[one].rows) for one in found if isinstance(one, int)) for state in group)
    if not changing or rows > LARGEST:
        return group
    names = {place: f"{FIELDS[place]} {first.fresh}" for place in changing}
    alike: dict[object, list[State]] = {}
    for state in group:
        own = with_reply(state, names)
        alike.setdefault((own.connections, own.current), []).append(state)
    return [formed(some, found, names, known) for some in alike.values()]


def formed(alike: Sequence[State], found: Sequence[Dimension], names: Mapping[int, str], known: dict[object, Joint]) -> State:
    """One set for sets with the same connections, with a variable for each of the fields."""
    first = with_reply(alike[0], names)
    joint = together(tuple(rows_of(state, found, names, known) for state in alike))
    kept = tuple(own for place, own in enumerate(first.joints) if place not in found)
    region = {name: ranges for name, ranges in first.region.items() if name not in found}
    env = tuple(names.get(place, one) for place, one in enumerate(first.env))
    hops = max(state.hops for state in alike)
    return first._replace(region=region, env=env, fresh=first.fresh + 1, hops=hops, joints=(*kept, joint))


def with_reply(state: State, names: Mapping[int, str]) -> State:
    """The source of the answers in the packet's connection, where it is the packet's destination, becomes the variable too."""
    if state.current < 0 or DESTINATION not in names:
        return state
    own = state.connections[state.current]
    pair = own.reply
    source: Value = names[DESTINATION] if pair.source == state.env[DESTINATION] else pair.source
    port: Value = (
        names.get(DESTINATION_PORT, pair.source_port) if pair.source_port == state.env[DESTINATION_PORT] else pair.source_port
    )
    return stored(state, own._replace(reply=pair._replace(source=source, source_port=port)))


def rows_of(state: State, found: Sequence[Dimension], fields: Mapping[int, str], known: dict[object, Joint]) -> Joint:
    """What the state differs in from the others, with the constants of the fields."""
    key = tuple((one, value(state, one)) for one in found), tuple((name, state.env[place]) for place, name in fields.items())
    if key not in known:
        known[key] = rows_with(state, found, fields)
    return known[key]


def rows_with(state: State, found: Sequence[Dimension], fields: Mapping[int, str]) -> Joint:
    """``rows_of``, made."""
    variables = [name for one in found for name in ((one,) if isinstance(one, str) else state.joints[one].names)]
    own = entered(state, variables).joints[-1] if variables else Joint((), ((),))
    constants = tuple(single(one) for place in fields if isinstance(one := state.env[place], int))
    return Joint((*own.names, *fields.values()), tuple((*row, *constants) for row in own.rows))


def released(state: State, names: Sequence[str]) -> State:
    """The state without those of the variables that nothing speaks of any more: what goes together with them is united."""
    for name in names:
        place = place_of(state, name)
        if place >= 0 and not spoken_of(state, name):
            joint = state.joints[place]
            others = (*state.joints[:place], *state.joints[place + 1 :])
            if len(joint.names) == 1:
                state = state._replace(joints=others)
                continue
            rest = together((joint.without(name),))
            if len(rest.names) == 1:
                state = state._replace(region={**state.region, rest.names[0]: rest.column(rest.names[0])}, joints=others)
            else:
                state = state._replace(joints=(*state.joints[:place], rest, *state.joints[place + 1 :]))
    return state


def spoken_of(state: State, name: str) -> bool:
    """Whether a field, a saved packet, a connection or a tie of variables is about the variable, or the question is."""
    return (
        name in ASKED
        or name in state.env
        or any(name in frame for frame in state.frames)
        or any(name in (*item.original, *item.reply, item.mark) for item in state.connections)
        or any(name == guard for item in state.connections for guard, _ in item.guards)
        or any(name in (pair.left, pair.right) for pair in state.together)
    )
