"""Sets of small integers as the bits of one integer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

# What holds for sure, and what may hold: one object where they are the same, so that it is worked out and kept once.
Sides = tuple[int, int]


def members(bits: int) -> Iterator[int]:
    """The positions of the bits that are set, ascending."""
    if not bits:
        return
    shift = (bits & -bits).bit_length() - 1
    text = bin(bits >> shift)[:1:-1]
    found = 0
    while found >= 0:
        yield found + shift
        found = text.find("1", found + 1)


def set_of(positions: Iterable[int]) -> int:
    """The set of the positions; linear in the highest of them, not in its square."""
    ordered = sorted(positions)
    if len(ordered) < 16:
        return sum(1 << position for position in dict.fromkeys(ordered))
    buffer = bytearray(ordered[-1] // 8 + 1)
    for position in ordered:
        buffer[position >> 3] |= 1 << (position & 7)
    return int.from_bytes(buffer, "little")


def run(low: int, high: int) -> int:
    """The set of the positions from ``low`` to ``high``, both included."""
    return (1 << (high + 1)) - (1 << low) if low <= high else 0


def meet(one: Sides, other: Sides) -> Sides:
    """Both hold."""
    sure = one[0] & other[0]
    return (sure, sure) if one[0] is one[1] and other[0] is other[1] else (sure, one[1] & other[1])


def join(one: Sides, other: Sides) -> Sides:
    """One of them holds."""
    sure = one[0] | other[0]
    return (sure, sure) if one[0] is one[1] and other[0] is other[1] else (sure, one[1] | other[1])


def negated(one: Sides, everything: int) -> Sides:
    """It does not hold."""
    sure = everything ^ one[1]
    return (sure, sure) if one[0] is one[1] else (sure, everything ^ one[0])
