"""Guarded states, without z3 of their own: what they are, when two are one, what their boxes leave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from analyzer.ranges import Ranges, difference, intersection, union
from analyzer.solve import states as at
from analyzer.transfer import ir

Formula = Any
"""A formula or a bit-vector of z3, which has no types."""


@dataclass(frozen=True, slots=True)
class Never:
    """No packet of the region does."""


@dataclass(frozen=True, slots=True)
class Some:
    """A packet does: the value of each variable. Not canonical: it changes with the solver's version."""

    values: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Unsettled:
    """Nothing was found out."""

    reason: str


Answer = Never | Some | Unsettled


class Began(NamedTuple):
    """A variable of the start is in the ranges."""

    name: str
    ranges: Ranges


class Carried(NamedTuple):
    """The match holds for the packet, also for one in a tunnel."""

    match: ir.Match


Condition = tuple[ir.Field, int | str, bool] | Began | Carried
"""The field is equal (True) to a number or to a variable of the start, or differs (False); or another condition."""


class TooMuch(Exception):
    """The budget is spent."""


class Term(NamedTuple):
    """A value that is not a constant; ``name`` is empty for what is no variable."""

    name: str
    bits: Formula


Value = int | Term
Env = tuple[Value, ...]


class Way(NamedTuple):
    """All packets for which the guard holds, their fields, and the values that variables may still have."""

    guard: Formula
    box: Mapping[str, Ranges]
    env: Env
    frames: tuple[Env, ...]
    connections: tuple[at.Connection[Value], ...]
    current: int
    fresh: int
    hops: int = 0


def stored(way: Way, own: at.Connection[Value]) -> Way:
    """The way with the packet's connection changed."""
    return way._replace(connections=(*way.connections[: way.current], own, *way.connections[way.current + 1 :]))


def put(way: Way, position: int, value: Value) -> Way:
    """A field gets a value; the mark of the connection is the connection's too."""
    after = way._replace(env=(*way.env[:position], value, *way.env[position + 1 :]))
    if position == at.CONNECTION_MARK and way.current >= 0:
        return stored(after, way.connections[way.current]._replace(mark=value))
    return after


def values_of(way: Way, value: Value) -> Ranges:
    """The values that a value may have, as far as the box knows."""
    return ((value, value),) if isinstance(value, int) else way.box.get(value.name, ((0, (1 << 128) - 1),))


def alike(left: Value, right: Value) -> bool:
    """Whether two values are written the same."""
    return mark_of(left) == mark_of(right)


def mark_of(value: Value) -> int | str:
    """What tells a value from others, without asking the solver."""
    return value if isinstance(value, int) else value.name or f"term {value.bits.get_id()}"


def marks_of(values: Iterable[Value]) -> tuple[int | str, ...]:
    """What tells the values from others."""
    return tuple([value if value.__class__ is int else mark_of(value) for value in values])


def essence(way: Way) -> object:
    """What must be equal for two ways to become one."""
    frames = tuple(map(marks_of, way.frames))
    known = tuple(
        (marks_of(item.original), marks_of(item.reply), mark_of(item.mark), item.scope, item[4:]) for item in way.connections
    )
    return marks_of(way.env), frames, known, way.current, way.fresh


def hull(group: list[Way]) -> dict[str, Ranges]:
    """The box around several ways."""
    box = dict(group[0].box)
    for way in group[1:]:
        box = {name: union(box.get(name, ()), way.box.get(name, ())) for name in {**box, **way.box}}
    return box


def narrowed(match: ir.Match, way: Way, holds: bool) -> Mapping[str, Ranges]:
    """The box where a match holds (or does not), as far as that is easily said."""
    match match:
        case ir.Not(inner):
            return narrowed(inner, way, not holds)
        case ir.All(matches) | ir.Any(matches) if isinstance(match, ir.All) == holds:
            for item in matches:
                way = way._replace(box=narrowed(item, way, holds))
            return way.box
        case ir.In(name, ranges) if not isinstance(value := way.env[at.INDEX[name]], int) and value.name in way.box:
            own = way.box[value.name]
            return {**way.box, value.name: intersection(own, ranges) if holds else difference(own, ranges)}
        case _:
            return way.box


def real(way: Way | None) -> Way | None:
    """The way, unless its box is empty."""
    return way if way is not None and all(way.box.values()) else None
