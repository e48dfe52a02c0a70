"""Whether all who ask for addresses can have one: a question of choice.

Whoever asks (``Demand``: so many pods) has options, and an option takes one unit of each of its resources: an address out of a set of addresses that no one tells apart, a place on a
node, a share of a quota. Where every option takes one resource, the question is a flow, and the answer exact: all are served, or a set of demands asks for more than all of their options
hold (Ford and Fulkerson; Hall's theorem). Where options take several, a greedy choice may answer it; if not, Z3 decides, and names a smallest conflict.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from analyzer.source import Span


@dataclass(frozen=True, slots=True)
class Resource:
    """Something of which there are ``capacity`` units. ``title`` names it in messages, ``at`` is where it is said."""

    name: str
    capacity: int
    title: str
    at: Span


@dataclass(frozen=True, slots=True)
class Demand:
    """``count`` pods that ask for one of the options each; an option is the names of the resources of which it takes a unit."""

    title: str
    count: int
    options: tuple[tuple[str, ...], ...]
    at: Span


@dataclass(frozen=True, slots=True)
class Question:
    """Demands and the resources that their options name."""

    demands: tuple[Demand, ...]
    resources: Mapping[str, Resource]


@dataclass(frozen=True, slots=True)
class Possible:
    """All are served."""


@dataclass(frozen=True, slots=True)
class Impossible:
    """These demands cannot all be served from these resources."""

    demands: tuple[Demand, ...]
    resources: tuple[Resource, ...]

    @property
    def wanted(self) -> int:
        """How many pods ask."""
        return sum(item.count for item in self.demands)

    @property
    def there(self) -> int:
        """How many units there are."""
        return sum(item.capacity for item in self.resources)


@dataclass(frozen=True, slots=True)
class Undecided:
    """The solver gave up."""

    reason: str


Answer = Possible | Impossible | Undecided
Options = tuple[tuple[str, ...], ...]
Asked = Sequence[tuple[int, Options]]
Takers = tuple[int, ...]
Way = list[tuple[int, Takers]]


def settle(question: Question) -> Answer:
    """The answer: by counting and flow where that is enough, else by Z3. Demands with the same options are one number; a conflict names them all."""
    groups: dict[Options, list[Demand]] = {}
    for item in question.demands:
        if item.count:
            groups.setdefault(item.options, []).append(item)
    if () in groups:
        return Impossible((groups[()][0],), ())
    members = list(groups.values())
    asked = [(sum(item.count for item in found), options) for options, found in groups.items()]
    capacities = {name: item.capacity for name, item in question.resources.items()}
    if all(len(option) == 1 for _, options in asked for option in options):
        competing = flow(asked, capacities)
        return conflict(question, members, competing) if competing else Possible()
    if greedy(asked, capacities):
        return Possible()
    from analyzer.solve.smt.assignments import decide

    found = decide(asked, capacities)
    if isinstance(found, str):
        return Undecided(found)
    if found is None:
        return Possible()
    demands = tuple(item for index in found[0] for item in members[index])
    return Impossible(demands, tuple(question.resources[name] for name in found[1]))


def flow(asked: Asked, capacities: Mapping[str, int]) -> set[int]:
    """The groups that compete for too little where each option takes one resource; none where all are served. Resources that the same groups
    may take are one number. The flow from groups to resources is enlarged along shortest ways."""
    takers: dict[str, list[int]] = {}
    for index, (_, options) in enumerate(asked):
        for (name,) in options:
            takers.setdefault(name, []).append(index)
    left: dict[Takers, int] = {}
    for name, found in takers.items():
        left[tuple(found)] = left.get(tuple(found), 0) + capacities[name]
    choices: list[list[Takers]] = [[] for _ in asked]
    for kind in left:
        for index in kind:
            choices[index].append(kind)
    given: list[dict[Takers, int]] = [{} for _ in asked]
    for index, (count, _) in enumerate(asked):
        missing = count
        while missing:
            way, seen = search(choices, given, left, index)
            if not way:
                return seen
            missing -= push(given, left, way, missing)
    return set()


def search(
    choices: list[list[Takers]], given: list[dict[Takers, int]], left: dict[Takers, int], start: int
) -> tuple[Way, set[int]]:
    """A way to a resource with units left: group, the resource that it takes, the group that gives some of it up, and so on. Without one,
    the groups that were met."""
    parents: dict[int, tuple[int, Takers]] = {}
    waiting, seen, tried = deque([start]), {start}, set[Takers]()
    while waiting:
        group = waiting.popleft()
        for kind in choices[group]:
            if kind in tried:
                continue
            tried.add(kind)
            if left[kind] > 0:
                return trail(parents, group, kind), seen
            for other in kind:
                if given[other].get(kind) and other not in seen:
                    seen.add(other)
                    parents[other] = (group, kind)
                    waiting.append(other)
    return [], seen


def trail(parents: dict[int, tuple[int, Takers]], group: int, kind: Takers) -> Way:
    """The way from the first group to the resource that is free."""
    way = [(group, kind)]
    while group in parents:
        group, kind = parents[group]
        way.append((group, kind))
    return way[::-1]


def push(given: list[dict[Takers, int]], left: dict[Takers, int], way: Way, wanted: int) -> int:
    """Moves as many units along a way as it lets through; returns how many."""
    passed = [given[group].get(kind, 0) for (_, kind), (group, _) in pairwise(way)]
    amount = min([wanted, left[way[-1][1]], *passed])
    for position, (group, kind) in enumerate(way):
        given[group][kind] = given[group].get(kind, 0) + amount
        if position:
            given[group][way[position - 1][1]] -= amount
    left[way[-1][1]] -= amount
    return amount


def conflict(question: Question, members: list[list[Demand]], competing: Iterable[int]) -> Impossible:
    """The demands that compete, and all that they could have."""
    demands = tuple(item for index in sorted(competing) for item in members[index])
    names = dict.fromkeys(name for demand in demands for (name,) in demand.options)
    return Impossible(demands, tuple(question.resources[name] for name in names))


def greedy(asked: Asked, capacities: Mapping[str, int]) -> bool:
    """Whether each group in turn, those with the fewest options first, finds units left."""
    left = dict(capacities)
    for count, options in sorted(asked, key=lambda item: len(item[1])):
        missing = count
        for option in sorted(options, key=lambda names: -min(left[name] for name in names)):
            amount = min(missing, *(left[name] for name in option))
            for name in option:
                left[name] -= amount
            missing -= amount
        if missing:
            return False
    return True
