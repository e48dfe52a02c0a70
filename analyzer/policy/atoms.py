"""Flows as policies divide them: boxes of protocols and ports that no rule tells apart, and sets of them as bits."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, reduce

from analyzer.policy.bits import Sides, join, meet, members, negated, run
from analyzer.policy.entities import Flow, NamedPort
from analyzer.policy.terms import ALL_PORTS, All, AnyOf, Box, Not, Opaque, PortName, Traffic, leaves
from analyzer.ranges import Ranges, joined, union


@dataclass(frozen=True, slots=True)
class Group:
    """Protocols that are told apart by nothing, with the first ports of the ranges that rules tell apart, and where their bits begin."""

    protocols: tuple[int, int]
    destinations: tuple[int, ...]
    sources: tuple[int, ...]
    offset: int

    @property
    def count(self) -> int:
        """How many boxes there are."""
        return len(self.destinations) * len(self.sources)


@dataclass(frozen=True)
class Atoms:
    """The boxes. Bit ``group.offset + d * sources + s`` is the box of the group's ``d``-th range of ports and ``s``-th of source ports."""

    groups: tuple[Group, ...]
    boxes: dict[Box, int] = field(default_factory=dict, repr=False)

    @cached_property
    def all(self) -> int:
        """Every flow."""
        return run(0, self.groups[-1].offset + self.groups[-1].count - 1)

    def of_box(self, box: Box) -> int:
        """The flows of a box."""
        found = self.boxes.get(box)
        if found is None:
            found = 0
            for group in self.groups:
                if any(low <= group.protocols[1] and group.protocols[0] <= high for low, high in box.protocols):
                    found |= within(group, box.destinations, box.sources)
            self.boxes[box] = found
        return found

    def of(self, traffic: Traffic, ports: tuple[NamedPort, ...], open_is: bool | None = None) -> Sides:
        """The flows to a destination with the named ports for which the test holds for sure, and for which it may. ``open_is``: how what is left
        open is read."""
        match traffic:
            case Box():
                found = self.of_box(traffic)
                return found, found
            case PortName(name, protocols):
                named = [port for port in ports if port.name == name and any(a <= port.protocol <= b for a, b in protocols)]
                found = 0
                for port in named:
                    found |= self.of_box(Box(((port.protocol, port.protocol),), ((port.port, port.port),)))
                return found, found
            case Opaque(open=True) if open_is is not None:
                return (self.all, self.all) if open_is else (0, 0)
            case Opaque():
                return 0, self.all
            case Not(term):
                return negated(self.of(term, ports, open_is), self.all)
            case All(terms):
                parts = [self.of(term, ports, open_is) for term in terms]
                return reduce(meet, parts) if parts else (self.all, self.all)
            case AnyOf(terms):
                parts = [self.of(term, ports, open_is) for term in terms]
                return reduce(join, parts) if parts else (0, 0)

    def of_flow(self, flow: Flow) -> int:
        """The box that a flow is in."""
        here = ((flow.port, flow.port),)
        return self.of_box(Box(((flow.protocol, flow.protocol),), here, ((flow.source_port, flow.source_port),)))

    def boxes_of(self, mask: int) -> Iterator[Box]:
        """A set of flows as boxes apart from each other."""
        for group in self.groups:
            inside, sources = mask >> group.offset & run(0, group.count - 1), len(group.sources)
            columns: dict[Ranges, Ranges] = {}
            for column in range(sources if inside else 0):
                places = (position // sources for position in members(inside) if position % sources == column)
                if found := joined(span(group.destinations, place) for place in places):
                    columns[found] = union(columns.get(found, ()), (span(group.sources, column),))
            for destinations, origins in columns.items():
                yield Box((group.protocols,), destinations, origins)

    def ports(self, mask: int) -> Iterator[tuple[tuple[int, int], Ranges]]:
        """A set of flows as protocols with their ranges of ports, source ports aside (a port counts when it is in with any of them)."""
        for group in self.groups:
            sources = len(group.sources)
            inside = mask >> group.offset & run(0, group.count - 1)
            places = dict.fromkeys(position // sources for position in members(inside))
            if found := joined(span(group.destinations, place) for place in places):
                yield group.protocols, found


def span(starts: tuple[int, ...], place: int) -> tuple[int, int]:
    """The range that begins at the ``place``-th start."""
    return starts[place], (starts[place + 1] - 1 if place + 1 < len(starts) else 65535)


def within(group: Group, destinations: Ranges, sources: Ranges) -> int:
    """The bits of a group's boxes inside the ranges: those that tests mention, or a single port."""
    found = 0
    count = len(group.sources)
    for low, high in destinations:
        first, last = bisect_right(group.destinations, low) - 1, bisect_right(group.destinations, high) - 1
        if sources == ALL_PORTS:
            found |= run(group.offset + first * count, group.offset + (last + 1) * count - 1)
            continue
        for place in range(first, last + 1):
            for below, above in sources:
                left, right = bisect_right(group.sources, below) - 1, bisect_right(group.sources, above) - 1
                found |= run(group.offset + place * count + left, group.offset + place * count + right)
    return found


def atoms_of(traffic: Iterable[Traffic], named: Iterable[NamedPort]) -> Atoms:
    """The boxes that the tests tell apart; ``named`` are all ports that names can mean."""
    terms = list(dict.fromkeys(traffic))
    boxes = list(dict.fromkeys(box for term in terms for box in boxes_in(term)))
    names = {name for term in terms for name in names_in(term)}
    boxes += [Box(((p.protocol, p.protocol),), ((p.port, p.port),)) for p in dict.fromkeys(named) if p.name in names]
    edges = {0} | {edge for box in boxes for low, high in box.protocols for edge in (low, high + 1) if edge <= 255}
    starts = sorted(edges)
    groups, offset = [], 0
    for first, after in zip(starts, [*starts[1:], 256], strict=True):
        inside = [box for box in boxes if any(low <= first <= high for low, high in box.protocols)]
        group = Group((first, after - 1), cuts(box.destinations for box in inside), cuts(box.sources for box in inside), offset)
        groups.append(group)
        offset += group.count
    return Atoms(tuple(groups))


def cuts(ranges: Iterable[Ranges]) -> tuple[int, ...]:
    """Where ranges of ports begin and end, as starts."""
    return tuple(sorted({0} | {edge for item in ranges for low, high in item for edge in (low, high + 1) if edge <= 65535}))


def boxes_in(traffic: Traffic) -> Iterator[Box]:
    """The boxes in a test."""
    return (leaf for leaf in leaves(traffic) if isinstance(leaf, Box))


def names_in(traffic: Traffic) -> Iterator[str]:
    """The names of ports in a test."""
    return (leaf.name for leaf in leaves(traffic) if isinstance(leaf, PortName))
