"""Whether all who ask for addresses can have one: a question of choice.

Whoever asks (``Demand``: so many pods) has options, and an option takes one unit of each of its resources: an address out of a set of addresses that no one tells apart, a place on a
node, a share of a quota. Where every option takes one resource, the question is a flow, and the answer exact: all are served, or a set of demands asks for more than all of their options
hold (Ford and Fulkerson; Hall's theorem). Where options take several, a greedy choice may answer it; if not, Z3 decides, and names a smallest conflict.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
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


def settle(question: Question) -> Answer:
    """The answer: by counting and flow where that is enough, else by Z3."""
    demands = tuple(item for item in question.demands if item.count)
    asked = Question(demands, question.resources)
    alone = next((item for item in demands if not item.options), None)
    if alone is not None:
        return Impossible((alone,), ())
    if all(len(option) == 1 for item in demands for option in item.options):
        return flow(asked)
    if greedy(asked):
        return Possible()
    from analyzer.solve.symbolic_assignments import decide

    numbers = tuple((item.count, item.options) for item in demands)
    capacities = {name: item.capacity for name, item in question.resources.items()}
    found = decide(numbers, capacities)
    if isinstance(found, str):
        return Undecided(found)
    if found is None:
        return Possible()
    return Impossible(tuple(demands[index] for index in found[0]), tuple(question.resources[name] for name in found[1]))


def flow(question: Question) -> Answer:
    """The question where each option takes one resource: a flow from demands to resources, enlarged along shortest ways."""
    given: list[dict[str, int]] = [{} for _ in question.demands]
    left = {name: item.capacity for name, item in question.resources.items()}
    for index, demand in enumerate(question.demands):
        missing = demand.count
        while missing:
            way, seen = search(question, given, left, index)
            if not way:
                return conflict(question, seen)
            missing -= push(given, left, way, missing)
    return Possible()


Way = list[tuple[int, str]]


def search(question: Question, given: list[dict[str, int]], left: dict[str, int], start: int) -> tuple[Way, set[int]]:
    """A way to a resource with units left: demand, the resource that it takes, the demand that gives some of it up, and so on. Without one,
    the demands that were met."""
    parents: dict[int, tuple[int, str]] = {}
    waiting, seen, tried = deque([start]), {start}, set[str]()
    while waiting:
        demand = waiting.popleft()
        for (name,) in question.demands[demand].options:
            if name in tried:
                continue
            tried.add(name)
            if left[name] > 0:
                return trail(parents, demand, name), seen
            for other, held in enumerate(given):
                if held.get(name) and other not in seen:
                    seen.add(other)
                    parents[other] = (demand, name)
                    waiting.append(other)
    return [], seen


def trail(parents: dict[int, tuple[int, str]], demand: int, name: str) -> Way:
    """The way from the first demand to the resource that is free."""
    way = [(demand, name)]
    while demand in parents:
        demand, name = parents[demand]
        way.append((demand, name))
    return way[::-1]


def push(given: list[dict[str, int]], left: dict[str, int], way: Way, wanted: int) -> int:
    """Moves as many units along a way as it lets through; returns how many."""
    passed = [given[demand].get(name, 0) for (_, name), (demand, _) in pairwise(way)]
    amount = min([wanted, left[way[-1][1]], *passed])
    for position, (demand, name) in enumerate(way):
        given[demand][name] = given[demand].get(name, 0) + amount
        if position:
            given[demand][way[position - 1][1]] -= amount
    left[way[-1][1]] -= amount
    return amount


def conflict(question: Question, seen: Iterable[int]) -> Impossible:
    """The demands that compete, and all that they could have."""
    demands = tuple(question.demands[index] for index in sorted(seen))
    names = dict.fromkeys(name for demand in demands for (name,) in demand.options)
    return Impossible(demands, tuple(question.resources[name] for name in names))


def greedy(question: Question) -> bool:
    """Whether each demand in turn, those with the fewest options first, finds units left."""
    left = {name: item.capacity for name, item in question.resources.items()}
    for demand in sorted(question.demands, key=lambda item: (len(item.options), item.title)):
        missing = demand.count
        for option in sorted(demand.options, key=lambda names: -min(left[name] for name in names)):
            amount = min(missing, *(left[name] for name in option))
            for name in option:
                left[name] -= amount
            missing -= amount
        if missing:
            return False
    return True
