"""Values of several variables that go together, as rows: a service's address with the endpoints that it stands for.

A product of interval sets cannot say that; a row is one such product, and the rows together are the set. Rows may share values.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, compress
from itertools import product as combined
from operator import itemgetter, not_

from analyzer.ranges import Ranges, difference, intersection, is_single, joined, normalised

Row = tuple[Ranges, ...]
FEW, MANY = 32, 256


@dataclass(frozen=True, slots=True)
class Joint:
    """Rows of ranges for some variables; there is at least one row. ``seen`` and ``values`` keep what was worked out before: all that a variable
    may be, and what stands there, where many rows have few different things."""

    names: tuple[str, ...]
    rows: tuple[Row, ...]
    seen: dict[str, Ranges] = field(default_factory=dict, compare=False, repr=False)
    values: dict[str, frozenset[Ranges]] = field(default_factory=dict, compare=False, repr=False)

    def __hash__(self) -> int:
        """Of a few rows, as there may be many: equal joints have one hash, and others are soon found to differ."""
        rows = self.rows
        return hash((self.names, len(rows), rows[0], rows[len(rows) // 2], rows[-1]))

    def column(self, name: str) -> Ranges:
        """Every value of a variable."""
        found = self.seen.get(name)
        if found is None:
            place = self.names.index(name)
            found = self.seen[name] = self.rows[0][place] if len(self.rows) == 1 else column(self.rows, place)
        return found

    def divided(self, name: str, held: Ranges) -> tuple[Joint | None, Joint | None]:
        """The rows whose variable is in the ranges, and those where it is not. Of many rows the last answers are remembered: sets that come to a test
        together often have equal rows, and then share what the test makes of them."""
        return remembered(self, name, held) if len(self.rows) >= MANY else self.apart(name, held)

    def apart(self, name: str, held: Ranges) -> tuple[Joint | None, Joint | None]:
        """``divided``, worked out."""
        own, few = self.seen.get(name), self.few(name)
        kept = frozenset(ranges for ranges in few if intersection(ranges, held) == ranges)
        if few and not any(intersection(ranges, held) for ranges in few - kept):
            place = self.names.index(name)
            flags = list(map(kept.__contains__, map(itemgetter(place), self.rows)))
            inside, outside = self.of(list(compress(self.rows, flags))), self.of(list(compress(self.rows, map(not_, flags))))
            for part, values in ((inside, kept), (outside, few - kept)):
                if part is not None:
                    part.values[name] = values
        else:
            inside, outside = (self.of(rows) for rows in self.taken_apart(name, held))
        if own is not None and inside is not None and outside is not None:
            inside.seen[name], outside.seen[name] = intersection(own, held), difference(own, held)
        return inside, outside

    def within(self, name: str, held: Ranges) -> Joint | None:
        """The rows whose variable is in the ranges: what ``divided`` gives first, where nobody asks for the others."""
        place, few = self.names.index(name), self.few(name)
        kept = frozenset(ranges for ranges in few if intersection(ranges, held) == ranges)
        parted = not few or any(intersection(ranges, held) for ranges in few - kept)
        found = self.of(self.kept(place, held) if parted else [row for row in self.rows if row[place] in kept])
        if found is not None and not parted:
            found.values[name] = kept
        if found is not None and (own := self.seen.get(name)) is not None:
            found.seen[name] = intersection(own, held)
        return found

    def kept(self, place: int, held: Ranges) -> list[Row]:
        """The rows whose value at a place is in the ranges, as far as it is."""
        if not held:
            return []
        found: list[Row] = []
        first, last = held[0][0], held[-1][1]
        for row in self.rows:
            own = row[place]
            if own[0][0] <= last and own[-1][1] >= first and (ranges := intersection(own, held)):
                found.append(row if ranges == own else put(row, place, ranges))
        return found

    def few(self, name: str) -> frozenset[Ranges]:
        """What stands at a variable, where many rows have few different things there; else nothing."""
        found = self.values.get(name)
        if found is None:
            place, rows = self.names.index(name), self.rows
            varied = len(rows) < MANY or len(set(map(itemgetter(place), rows[:: len(rows) // FEW]))) > FEW // 2
            distinct = frozenset() if varied else frozenset(map(itemgetter(place), rows))
            found = self.values[name] = distinct if len(distinct) * 4 <= len(rows) else frozenset()
        return found

    def taken_apart(self, name: str, held: Ranges) -> tuple[list[Row], list[Row]]:
        """``divided``, row by row."""
        place = self.names.index(name)
        inside: list[Row] = []
        outside: list[Row] = []
        starts, ends = [low for low, _ in held], [high for _, high in held]
        for row in self.rows:
            own = row[place]
            low, high = own[0]
            if low == high and len(own) == 1:
                at = bisect_right(starts, low) - 1
                (inside if at >= 0 and low <= ends[at] else outside).append(row)
                continue
            for ranges, rows in ((intersection(own, held), inside), (difference(own, held), outside)):
                if ranges:
                    rows.append(row if ranges == own else (*row[:place], ranges, *row[place + 1 :]))
        return inside, outside

    def of(self, rows: Sequence[Row]) -> Joint | None:
        """The same variables with these rows."""
        if len(rows) == len(self.rows):
            return self if all(map(same, rows, self.rows)) else Joint(self.names, tuple(rows))
        return Joint(self.names, tuple(rows)) if rows else None

    def sorted_out(self, name: str, cut: Callable[[Ranges], Iterable[tuple[int, tuple[int, int]]]]) -> dict[int, Joint]:
        """The rows by the place of the variable's value; ``cut`` takes ranges apart by place."""
        position = self.names.index(name)
        groups: dict[int, list[Row]] = {}
        for row in self.rows:
            found: dict[int, list[tuple[int, int]]] = {}
            for place, pair in cut(row[position]):
                found.setdefault(place, []).append(pair)
            for place, pairs in found.items():
                own = row if len(found) == 1 else (*row[:position], joined(pairs), *row[position + 1 :])
                groups.setdefault(place, []).append(own)
        return {place: Joint(self.names, tuple(rows)) for place, rows in groups.items()}

    def without(self, name: str) -> Joint:
        """The rows without a variable; there is another one."""
        place = self.names.index(name)
        rows = tuple(dict.fromkeys((*row[:place], *row[place + 1 :]) for row in self.rows))
        return Joint((*self.names[:place], *self.names[place + 1 :]), rows)

    def compared(self, left: str, right: str) -> tuple[Joint | None, Joint | None, bool]:
        """The rows in which two variables are equal, those in which they differ, and whether in some of these they still may be equal."""
        first, second = self.names.index(left), self.names.index(right)
        equal: list[Row] = []
        other: list[Row] = []
        unsettled = False
        for row in self.rows:
            mine, its = row[first], row[second]
            common = intersection(mine, its)
            if common:
                equal.append(put(put(row, first, common), second, common))
            if not common or (not is_single(mine) and not is_single(its)):
                other.append(row)
                unsettled = unsettled or bool(common)
            elif is_single(mine) and (rest := difference(its, mine)):
                other.append(put(row, second, rest))
            elif is_single(its) and (rest := difference(mine, its)):
                other.append(put(row, first, rest))
        return self.of(equal), self.of(other), unsettled

    def paired(self, left: str, right: str) -> Iterator[tuple[Row, Ranges, Ranges]]:
        """Each row with the ranges of two of its variables."""
        first, second = self.names.index(left), self.names.index(right)
        return ((row, row[first], row[second]) for row in self.rows)


@lru_cache(maxsize=2)
def remembered(joint: Joint, name: str, held: Ranges) -> tuple[Joint | None, Joint | None]:
    """``Joint.divided``, of the joints that were last asked."""
    return joint.apart(name, held)


def put(row: Row, place: int, ranges: Ranges) -> Row:
    """The row with other ranges at one place."""
    return (*row[:place], ranges, *row[place + 1 :])


def product(joints: Sequence[Joint]) -> Joint:
    """Every row of one with every row of the others."""
    names = tuple(name for joint in joints for name in joint.names)
    return Joint(names, tuple(tuple(chain.from_iterable(rows)) for rows in combined(*(joint.rows for joint in joints))))


def same(left: object, right: object) -> bool:
    """Whether both are one object."""
    return left is right


def column(rows: Iterable[Row], place: int) -> Ranges:
    """The values at one place."""
    return normalised(chain.from_iterable(set(map(itemgetter(place), rows))))


@lru_cache(maxsize=2)
def together(joints: tuple[Joint, ...]) -> Joint:
    """The rows of joints that have the same variables, those of several each once; rows that differ in one variable only are one, where there are few or
    the first have ranges, which may have been taken apart."""
    rows = list(joints[0].rows if len(joints) == 1 else dict.fromkeys(chain.from_iterable(joint.rows for joint in joints)))
    names = joints[0].names
    for place in range(len(names)):
        if len(rows) < FEW or (spread(rows, place) and not told(rows, place)):
            rows = compact(rows, place)
    return Joint(names, tuple(rows))


def spread(rows: list[Row], place: int) -> bool:
    """Whether the first rows have ranges at a place."""
    return any(not is_single(row[place]) for row in rows[:FEW])


def told(rows: list[Row], place: int) -> bool:
    """Whether another place with ranges says what stands at this one: different rows then differ elsewhere too."""
    if len(set(map(itemgetter(place), rows))) == 1:
        return True
    others = (other for other in range(len(rows[0])) if other != place and spread(rows, other))
    return any(len(set(map(itemgetter(other, place), rows))) == len(set(map(itemgetter(other), rows))) for other in others)


def compact(rows: list[Row], place: int) -> list[Row]:
    """Rows that are equal but for one place are one."""
    others = [other for other in range(len(rows[0])) if other != place] if rows else []
    if others and len(set(map(itemgetter(*others), rows))) == len(rows):
        return rows
    buckets: dict[Row, list[Ranges]] = {}
    for row in rows:
        buckets.setdefault((*row[:place], *row[place + 1 :]), []).append(row[place])
    return [(*rest[:place], united(found), *rest[place:]) for rest, found in buckets.items()]


def united(found: list[Ranges]) -> Ranges:
    """The union of several sets."""
    return found[0] if len(found) == 1 else normalised(pair for ranges in found for pair in ranges)
