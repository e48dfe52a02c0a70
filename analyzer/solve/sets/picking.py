"""One state out of a set of states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from analyzer.ranges import Ranges, contains
from analyzer.solve.sets.joint import Joint, Row
from analyzer.solve.sets.regions import State, Together


def points(state: State, prefer: Mapping[str, Sequence[int]]) -> dict[str, int] | None:
    """One value for each variable: a preferred one that it may have, else its lowest; variables that must differ do. None: not found."""
    for rows in product(*(rows_by_preference(joint, prefer) for joint in state.joints)):
        found: dict[str, int] = {}
        region = dict(state.region)
        for joint, row in zip(state.joints, rows, strict=True):
            region |= dict(zip(joint.names, row, strict=True))
        if _fill(region, list(region), state.together, prefer, found):
            for pair in reversed(state.together):
                if pair.equal:
                    found[pair.right] = found[pair.left]
            return found
    return None


def rows_by_preference(joint: Joint, prefer: Mapping[str, Sequence[int]]) -> Sequence[Row]:
    """The rows, those first that have the values that are preferred most."""
    wanted = [(place, prefer[name]) for place, name in enumerate(joint.names) if name in prefer]

    def order(row: Row) -> tuple[object, ...]:
        ranks = (next((i for i, v in enumerate(values) if contains(row[place], v)), len(values)) for place, values in wanted)
        return (*ranks, row)

    return sorted(joint.rows, key=order)


def _fill(
    region: Mapping[str, Ranges],
    names: list[str],
    together: Sequence[Together],
    prefer: Mapping[str, Sequence[int]],
    found: dict[str, int],
) -> bool:
    if not names:
        return True
    name = names[0]
    for value in candidates(region[name], prefer.get(name, ())):
        if not any(clash(pair, name, value, found) for pair in together):
            found[name] = value
            if _fill(region, names[1:], together, prefer, found):
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
