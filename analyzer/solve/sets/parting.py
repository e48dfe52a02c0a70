"""Takes sets of states apart by their destination, so that each part meets few parts of a long table."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence

from analyzer.ranges import Ranges, joined
from analyzer.solve.sets.regions import State, Value, place_of, values_of, with_joint, within
from analyzer.solve.states import DESTINATION
from analyzer.transfer import ir

FEW = 12
Select = Callable[[Ranges], Sequence[int]]


def by_destination(states: list[State]) -> list[list[State]]:
    """The states, grouped by what their destination may be."""
    groups: dict[tuple[Value, Ranges], list[State]] = {}
    for state in states:
        value = state.env[DESTINATION]
        groups.setdefault((value, values_of(state, value)), []).append(state)
    return list(groups.values())


def by_parts(table: ir.Table, states: list[State]) -> list[list[State]]:
    """States with one destination value, apart by what parts of the table are about; not where that would not make these fewer."""
    value = states[0].env[DESTINATION]
    if not isinstance(value, str):
        return [states]
    found = [piece for low, high in values_of(states[0], value) for piece in pieces(table.select, low, high)]
    kinds: dict[tuple[int, ...], int] = {}
    kind = [kinds.setdefault(parts, len(kinds)) for _, parts in found]
    if len(kinds) < 2:
        return [states]
    starts = [low for low, _ in found]

    def place(address: int) -> int:
        return kind[bisect_right(starts, address) - 1]

    groups: list[list[State]] = [[] for _ in kinds]
    for state in states:
        for number, part in apart(state, value, starts, place):
            groups[number].append(part)
    return [group for group in groups if group]


def pieces(select: Select, low: int, high: int) -> list[tuple[int, tuple[int, ...]]]:
    """The range, halved until few parts are about each half: the first value of each piece, with these parts."""
    parts = tuple(select(((low, high),)))
    if len(parts) <= FEW or low == high:
        return [(low, parts)]
    middle = (low + high) // 2
    if (len(select(((low, middle),))) + len(select(((middle + 1, high),)))) * 2 > 3 * len(parts):
        return [(low, parts)]
    return [*pieces(select, low, middle), *pieces(select, middle + 1, high)]


def apart(state: State, variable: str, starts: Sequence[int], place: Callable[[int], int]) -> Iterator[tuple[int, State]]:
    """The state by the places of its values: one pass over its ranges, or over its rows. Places change at the starts only."""
    if variable in state.region:
        groups: dict[int, list[tuple[int, int]]] = {}
        for number, pair in cut(state.region[variable], starts, place):
            groups.setdefault(number, []).append(pair)
        found = ((number, within(state, variable, joined(pairs))) for number, pairs in groups.items())
    else:
        own = place_of(state, variable)
        parts = state.joints[own].sorted_out(variable, lambda ranges: cut(ranges, starts, place))
        found = ((number, with_joint(state, own, joint, variable)) for number, joint in parts.items())
    return ((number, part) for number, part in found if part is not None)


def cut(ranges: Ranges, starts: Sequence[int], place: Callable[[int], int]) -> Iterator[tuple[int, tuple[int, int]]]:
    """The ranges, cut at the starts, with the place of each piece."""
    for low, high in ranges:
        for start in starts[bisect_right(starts, low) : bisect_right(starts, high)]:
            yield place(low), (low, start - 1)
            low = start
        yield place(low), (low, high)
