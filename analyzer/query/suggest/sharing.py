"""Groups of pods that need no policy of their own: all that is wanted of them is wanted of others of their namespace together, whose policies are then about
them, too. So selections overlap where that makes fewer policies.

What is wanted of the pods of a namespace is a table of groups and ends; policies are the rectangles that it is made of. Groups that are no union of others
are those whose rectangles nothing replaces but rectangles of parts (``fewest.py`` says how far that is from the fewest).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from analyzer.query.suggest.demands import PROTOCOLS, Demand, Ends, Ports, pieces
from analyzer.query.suggest.planned import Group
from analyzer.query.suggest.selectors import AlikeError, Labels
from analyzer.ranges import difference

# So many groups of a namespace are held against each other.
GROUPS = 200
Row = tuple[Ends, ...]


def flattened(demands: Sequence[Demand]) -> list[Row]:
    """Demands side by side: for each piece of ports that any of them tells apart, the ends."""
    every = tuple(dict.fromkeys(item for one in demands for item in one))
    places = [(protocol, low) for protocol in PROTOCOLS for low, _ in pieces(every, protocol)]
    known: dict[Ports, list[int]] = {}
    return [row(demand, places, known) for demand in demands]


def row(demand: Demand, places: Sequence[tuple[int, int]], known: dict[Ports, list[int]]) -> Row:
    """The ends that a demand has at each place."""
    found = [Ends()] * len(places)
    for ports, ends in demand:
        if ports not in known:
            known[ports] = [place for number, ranges in ports for pair in ranges for place in among(places, number, *pair)]
        for place in known[ports]:
            found[place] = ends if found[place] == Ends() else found[place] | ends
    return tuple(found)


def among(places: Sequence[tuple[int, int]], protocol: int, low: int, high: int) -> range:
    """The places of some ports of a protocol."""
    return range(bisect_left(places, (protocol, low)), bisect_left(places, (protocol, high + 1)))


def within(row: Row, other: Row, free: int) -> bool:
    """Whether all that is wanted in a row is wanted in another one; ``free`` pods aside."""
    return all(inside(one, two, free) for one, two in zip(row, other, strict=True))


def inside(ends: Ends, others: Ends, free: int) -> bool:
    """Whether ends are among others; ``free`` pods aside."""
    known = dict(others.addresses)
    return not ends.pods & ~others.pods & ~free and not any(difference(own, known.get(f, ())) for f, own in ends.addresses)


@dataclass
class Sharing:
    """The groups of one namespace, direction and families: who is selected by the policies of each, and by how many selectors."""

    groups: Sequence[Group]
    labels: Labels
    about: dict[int, int] = field(default_factory=dict)

    def shared(self) -> Iterator[tuple[Group, int]]:
        """The groups that have policies, with the pods that these are about."""
        rows = flattened([group.demand for group in self.groups])
        for number in sorted(range(len(rows)), key=lambda place: (amount(rows[place]), place)):
            self.add(number, rows)
        return ((self.groups[number], pods) for number, pods in sorted(self.about.items()))

    def add(self, number: int, rows: Sequence[Row]) -> None:
        """Gives a group policies of its own, or has those of others select it, where that needs fewer selectors."""
        group = self.groups[number]
        parts = list(self.parts(number, rows))
        wider = {part: self.about[part] | group.pods for part in parts}
        if parts and sum(map(self.count, wider.values())) < sum(self.count(self.about[part]) for part in parts) + self.count(
            group.pods
        ):
            self.about |= wider
        else:
            self.about[number] = group.pods

    def parts(self, number: int, rows: Sequence[Row]) -> Iterator[int]:
        """Groups whose demands together are that of a group, each of which adds something; none where there are no such."""
        group, row = self.groups[number], rows[number]
        below = [place for place in self.about if amount(rows[place]) and within(rows[place], row, group.free)]
        together: Row = tuple(Ends() for _ in row)
        chosen = []
        for place in reversed(below):
            if not within(rows[place], together, group.free):
                chosen.append(place)
                together = tuple(one | two for one, two in zip(together, rows[place], strict=True))
        if amount(row) and within(row, together, group.free):
            yield from chosen

    def count(self, pods: int) -> int:
        """How many selectors select these pods and no other of the namespace; more than there can be where labels do not tell them."""
        try:
            return len(self.labels.selectors(pods, self.labels.pods & ~pods))
        except AlikeError:
            return 1 << 20


def amount(row: Row) -> int:
    """How much is wanted: what is a part of something else is less."""
    return sum(map(amount_of, row))


def amount_of(ends: Ends) -> int:
    """How many ends there are."""
    return ends.pods.bit_count() + sum(1 + last - first for _, ranges in ends.addresses for first, last in ranges)


def shared(groups: Sequence[Group], labels: Mapping[str, Labels]) -> Iterator[tuple[Group, int]]:
    """The groups that have policies, with the pods that these are about."""
    tables: dict[tuple[str, tuple[int, ...]], list[Group]] = {}
    for group in groups:
        tables.setdefault((group.namespace, group.families), []).append(group)
    for (namespace, _), table in tables.items():
        if len(table) == 1 or len(table) > GROUPS:
            yield from ((group, group.pods) for group in table)
            continue
        closed = [group for group in table if group.closed]
        yield from ((group, group.pods) for group in closed)
        yield from Sharing([group for group in table if not group.closed], labels[namespace]).shared()
