"""The rule that is lowered, and what its matches are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from analyzer.facts.matches import Side
from analyzer.model.network import Namespace
from analyzer.ranges import Ranges, normalised
from analyzer.source import Span
from analyzer.transfer.ir import NEVER, All, Any, Bits, Field, In, Match, Not, Opaque
from analyzer.transfer.space import Context

WITH_PORTS: Ranges = normalised((number, number) for number in (6, 17, 33, 132, 136))


@dataclass(frozen=True, slots=True)
class Where:
    """The rule that is lowered: its namespace and its place. ``hooks`` tells whether its chain is entered from PREROUTING or OUTPUT, and
    whether from another hook; ``table`` is iptables' of the chain. ``template``: what it sees may have a template for a connection (``zones.py``);
    ``late``: conntrack may have looked at it."""

    context: Context
    space: Namespace
    at: Span
    label: str
    hooks: Callable[[], tuple[bool, bool]] = lambda: (False, False)
    table: str = ""
    template: bool = False
    late: bool = True

    def opaque(self, text: str) -> Match:
        """A test that is not modelled."""
        return Opaque(f"{self.label}: {text}", self.at)


def negate(match: Match, negated: bool) -> Match:
    """The match, or that it does not hold."""
    return Not(match) if negated else match


def masked(field: Field, value: int, mask: int, width: int) -> Match:
    """``field & mask == value``; a range where the mask is a prefix's."""
    full = (1 << width) - 1
    hole = full ^ (mask & full)
    if hole & (hole + 1) == 0:
        return In(field, ((value, value | hole),)) if value & hole == 0 else NEVER
    return Bits(field, mask, value)


def ends(side: Side) -> Field:
    """The address of a side."""
    return Field.SOURCE if side is Side.SOURCE else Field.DESTINATION


def open_test(match: Match) -> bool:
    """Whether a match asks what is not known."""
    match match:
        case Opaque():
            return True
        case Not(inner):
            return open_test(inner)
        case All(parts) | Any(parts):
            return any(open_test(part) for part in parts)
        case _:
            return False
