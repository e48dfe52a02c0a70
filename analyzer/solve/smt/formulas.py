"""Tests of the language as formulas of Z3 over the fields of a guarded state, each made once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from analyzer.ranges import Ranges, intersection
from analyzer.solve import states as at
from analyzer.solve.smt.ways import Formula, Term, Value, Way, marks_of
from analyzer.transfer import ir

if TYPE_CHECKING:
    import z3


class Formulas:
    """Formulas of one context, for fields of so many bits. What a test comes to depends on the test, on the fields that it reads and on the boxes of their
    variables: ways that share them share the formula."""

    def __init__(self, context: z3.Context, width: int) -> None:
        self.context, self.width = context, width
        self.read: dict[int, tuple[ir.Match, tuple[int, ...]]] = {}
        self.made: dict[object, tuple[object, Formula]] = {}

    def variable(self, name: str, width: int) -> Term:
        """A variable: a bit-vector of its own width, zeros above."""
        import z3

        return Term(name, z3.ZeroExt(self.width - width, z3.BitVec(name, width, self.context)))

    def of(self, match: ir.Match, way: Way) -> Formula:
        """The match as a formula over the fields."""
        if not isinstance(match, ir.All | ir.Any):
            return self.made_of(match, way)
        places = self.places(match)
        values = [way.env[place] for place in places]
        boxes = tuple([way.box.get(value.name) for value in values if not isinstance(value, int)])
        ends = way.connections[way.current].ends if places[:1] == OF_CONNECTION and way.current >= 0 else None
        key = id(match), marks_of(values), boxes, ends
        known = self.made.get(key)
        if known is None:
            # What the key speaks of lives as long as the entry: nothing else gets its identity.
            known = self.made[key] = (match, values), self.made_of(match, way)
        return known[1]

    def places(self, match: ir.Match) -> tuple[int, ...]:
        """The places of the fields that a match reads."""
        known = self.read.get(id(match))
        if known is None:
            known = self.read[id(match)] = match, tuple(sorted(set(fields_of(match))))
        return known[1]

    def among(self, bits: Formula, ranges: Ranges) -> Formula:
        """The bits are in the ranges; a prefix compares the bits that it fixes."""
        import z3

        return z3.Or([*(self.between(bits, low, high) for low, high in ranges), z3.BoolVal(False, self.context)])

    def between(self, bits: Formula, low: int, high: int) -> Formula:
        """The bits are in one range."""
        import z3

        free = (high - low + 1).bit_length() - 1
        if high - low + 1 == 1 << free and not low & ((1 << free) - 1):
            return z3.Extract(bits.size() - 1, free, bits) == low >> free
        return z3.And(z3.UGE(bits, low), z3.ULE(bits, high))

    def same(self, way: Way, left: Value, right: Value) -> Formula:
        """Whether two values are equal."""
        if isinstance(left, int):
            left, right = right, left
        if isinstance(left, int):
            return left == right
        if isinstance(right, int):
            ways = intersection(way.box[left.name], ((right, right),)) if left.name in way.box else ((right, right),)
            return left.bits == right if ways else False
        if left.name and left.name == right.name:
            return True
        if left.name in way.box and right.name in way.box and not intersection(way.box[left.name], way.box[right.name]):
            return False
        return left.bits == right.bits

    def made_of(self, match: ir.Match, way: Way) -> Formula:
        """The same, made."""
        import z3

        match match:
            case ir.In(name, ranges):
                value = way.env[at.INDEX[name]]
                if isinstance(value, int):
                    return any(low <= value <= high for low, high in ranges)
                own = way.box.get(value.name)
                if own is not None and (common := intersection(own, ranges)) in ((), own):
                    return bool(common)
                return self.among(value.bits, ranges)
            case ir.Bits(name, mask, wanted):
                value = way.env[at.INDEX[name]]
                return value & mask == wanted if isinstance(value, int) else value.bits & self.number(mask) == self.number(wanted)
            case ir.Belongs(scope, replies):
                return way.current >= 0 and way.connections[way.current].ends == (scope, replies)
            case ir.Opaque(text):
                return z3.Bool(f"opaque: {text}", self.context)
            case ir.Not(inner):
                held = self.of(inner, way)
                return not held if isinstance(held, bool) else z3.Not(held)
            case ir.All(matches) | ir.Any(matches):
                return self.joined([self.of(item, way) for item in matches], isinstance(match, ir.All))

    def joined(self, parts: list[Formula], every: bool) -> Formula:
        """All of the parts, or any."""
        import z3

        if any(part is not every for part in parts if isinstance(part, bool)):
            return not every
        open_parts = [part for part in parts if not isinstance(part, bool)]
        if not open_parts:
            return every
        return open_parts[0] if len(open_parts) == 1 else (z3.And(open_parts) if every else z3.Or(open_parts))

    def number(self, value: int) -> Formula:
        """A constant."""
        import z3

        return z3.BitVecVal(value, self.width, self.context)


OF_CONNECTION = (-1,)
"""The place, before all fields, of what only the packet's connection tells."""


def fields_of(match: ir.Match) -> Iterator[int]:
    """The places of the fields that a match reads."""
    match match:
        case ir.In(name, _) | ir.Bits(name, _, _):
            yield at.INDEX[name]
        case ir.Not(inner):
            yield from fields_of(inner)
        case ir.All(matches) | ir.Any(matches):
            for item in matches:
                yield from fields_of(item)
        case ir.Belongs():
            yield from OF_CONNECTION
        case ir.Opaque():
            pass
