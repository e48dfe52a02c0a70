"""How many policies a namespace needs at least: demands no two of which one policy can meet.

A *need* is of one pod in one direction: that a policy selects it and admits an end, or, where something is kept from it, that a policy selects it at all.
A policy that meets two needs selects both pods, and with them every pod whose labels are between theirs (a selector is a conjunction); it admits both ends
to all of them. Where one of these is not to have it, two policies are needed, so that needs that are all at odds with each other (a fooling set) are as
many policies, whether selections overlap or not. Addresses count always: nothing but the pod's own policies keeps them out. Pods as other ends count where
one direction is taken to decide between pods: else the other end's policies could keep them out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from analyzer.policy.bits import members
from analyzer.query.suggest.demands import PORTS, PROTOCOLS, Demand, Ends, Scene
from analyzer.query.suggest.restricting import Demands
from analyzer.query.suggest.selectors import Labels, first, union
from analyzer.query.suggest.sharing import Row, flattened
from analyzer.ranges import contains, normalised

# So many sorts of pods of a namespace, needs of each sort and direction, and needs altogether are looked at.
SORTS, EACH, NEEDS, STARTS = 150, 4, 300, 24
# So many edges of ranges of addresses are told apart.
EDGES = 4000


class Need(NamedTuple):
    """A pod that a policy has to select, and the pods that this policy must not select in the direction."""

    pod: int
    against: int


class Sort(NamedTuple):
    """Pods of a namespace of which the same is wanted in both directions."""

    families: tuple[int, ...]
    into: Demand
    out: Demand
    pods: int


class Column(NamedTuple):
    """An end with a piece of ports: the pods of which it is wanted, and those of which it is not to be."""

    wanted: int
    unwanted: int


class Counting(NamedTuple):
    """Which pods count as other ends: of ingress, and of the egress of the pods that are restricted."""

    into: int = 0
    out: int = 0


def counting(scene: Scene, wanted: Demands, *, by_egress: bool) -> Counting:
    """Who counts where one direction decides between pods."""
    everyone = (1 << len(scene.pods)) - 1
    return Counting(everyone & ~wanted.restricted, everyone) if by_egress else Counting(everyone & ~wanted.closed)


@dataclass
class Needs:
    """What is needed in one namespace."""

    scene: Scene
    wanted: Demands
    labels: Labels
    between: dict[tuple[int, int], int] = field(default_factory=dict)

    def least(self, ends: Counting) -> int:
        """How many policies are needed at least."""
        sorts = self.sorts(by_address=not ends.out)
        columns = [list(self.columns(sorts, ends, into=way)) for way in (True, False)]
        needs = [need for sides in columns for need in self.needs(sorts, sides)]
        patterns = {tuple(sort.pods & side.wanted != 0 for side in columns[0] + columns[1]) for sort in sorts}
        alone = (len(patterns) - 1).bit_length() if not ends.into | ends.out else 0
        return max(alone, self.at_odds(needs))

    def sorts(self, *, by_address: bool) -> list[Sort]:
        """The sorts of pods."""
        found: dict[tuple[tuple[int, ...], Demand, Demand], int] = {}
        for pod in members(self.labels.pods):
            out = self.wanted.addresses[pod] if by_address else self.wanted.out[pod]
            key = (self.scene.families_spoken(pod), self.wanted.into[pod], out)
            found[key] = found.get(key, 0) | 1 << pod
        return [Sort(*key, pods) for key, pods in list(found.items())[:SORTS]]

    def columns(self, sorts: Sequence[Sort], ends: Counting, *, into: bool) -> Iterator[Column]:
        """The ends of a direction that are told apart, each once."""
        rows = flattened([sort.into if into else sort.out for sort in sorts])
        if missing_ports(tuple(item for sort in sorts for item in (sort.into if into else sort.out))):
            rows = [(*row, Ends()) for row in rows]
        found: dict[Column, None] = {}
        for place in range(len(rows[0]) if rows else 0):
            for family in self.scene.families:
                found |= dict.fromkeys(self.of_addresses(sorts, rows, place, family))
            if counted := ends.into if into else ends.out:
                found |= dict.fromkeys(self.of_pods(sorts, rows, place, counted, into=into))
        yield from found

    def of_addresses(self, sorts: Sequence[Sort], rows: Sequence[Row], place: int, family: int) -> Iterator[Column]:
        """The columns of addresses."""
        own = [dict(row[place].addresses).get(family, ()) for row in rows]
        counted = self.scene.spaces[family].counted
        edges = sorted({edge for ranges in (*own, counted) for low, high in ranges for edge in (low, high + 1)})
        speaking = [sort.pods if family in sort.families else 0 for sort in sorts]
        for low, _ in pairwise(edges[:EDGES]):
            if contains(counted, low):
                wanted = union(pods for pods, ranges in zip(speaking, own, strict=True) if contains(ranges, low))
                yield Column(wanted, union(speaking) & ~wanted)

    def of_pods(self, sorts: Sequence[Sort], rows: Sequence[Row], place: int, counted: int, *, into: bool) -> Iterator[Column]:
        """The columns of pods. A pod always reaches itself, and what a pod sends to pods counts where it is restricted."""
        sets = {row[place].pods for row in rows} | {self.scene.speaking[family] for family in self.scene.families}
        subjects = self.labels.pods if into else self.labels.pods & self.wanted.restricted
        for atom in told_apart(counted, sorted(sets)):
            itself = self.scene.itself(first(atom)) if atom & (atom - 1) == 0 else 0
            own = [sort.pods & subjects & ~itself if self.shares(sort, atom) else 0 for sort in sorts]
            wanted = union(pods for pods, row in zip(own, rows, strict=True) if row[place].pods & atom)
            yield Column(wanted, union(own) & ~wanted)

    def shares(self, sort: Sort, pods: int) -> bool:
        """Whether pods speak a family of a sort."""
        return any(self.scene.speaking[family] & pods for family in sort.families)

    def needs(self, sorts: Sequence[Sort], columns: Sequence[Column]) -> Iterator[Need]:
        """The needs of a direction: of each sort those that are at odds with most pods."""
        closed = union(column.unwanted for column in columns)
        for sort in sorts:
            if not (pods := sort.pods & closed):
                continue
            against = {column.unwanted for column in columns if column.wanted & pods}
            several = sorted(against, key=lambda found: (-found.bit_count(), found))[:EACH]
            for unwanted in several or [0]:
                yield from (Need(pod, unwanted) for pod in self.split(pods, unwanted))
            if several:
                yield Need(first(pods), 0)

    def split(self, pods: int, against: int) -> Iterator[int]:
        """Pods of a sort no two of which one selector selects without others that must not be."""
        found: list[int] = []
        for pod in list(members(pods))[: EACH * EACH]:
            if all(self.selected(pod, other) & against for other in found):
                found.append(pod)
                yield pod

    def selected(self, one: int, other: int) -> int:
        """The pods that every selector of two pods selects."""
        key = (min(one, other), max(one, other))
        if key not in self.between:
            self.between[key] = between(self.labels, 1 << one | 1 << other)
        return self.between[key]

    def at_odds(self, needs: Sequence[Need]) -> int:
        """How many needs are all at odds with each other: those found by beginning with each of some."""
        several = sorted(dict.fromkeys(needs), key=lambda need: (-need.against.bit_count(), need))[:NEEDS]
        others = [
            sum(
                1 << place
                for place, need in enumerate(several)
                if self.selected(own.pod, need.pod) & (own.against | need.against)
            )
            for own in several
        ]
        order = sorted(range(len(several)), key=lambda place: (-others[place].bit_count(), place))
        return max((1 + gathered(others, others[place], order) for place in order[:STARTS]), default=0)


def gathered(others: Sequence[int], left: int, order: Iterable[int]) -> int:
    """How many of those that are left are all at odds, taken in an order."""
    count = 0
    for place in order:
        if left >> place & 1:
            left &= others[place]
            count += 1
    return count


def between(labels: Labels, pods: int) -> int:
    """The pods whose value of each label is one of those that some pods have, or that lack it as one of these does."""
    found = labels.pods
    for values in labels.by_key.values():
        own = union(having for having in values.values() if having & pods)
        found &= own if not pods & ~own else own | (labels.pods & ~union(values.values()))
    return found


def told_apart(whole: int, sets: Iterable[int]) -> list[int]:
    """A set of bits in parts that no set tells apart."""
    parts = [whole] if whole else []
    for one in sets:
        parts = [part for old in parts for part in (old & one, old & ~one) if part]
    return parts


def missing_ports(demand: Demand) -> bool:
    """Whether there is a port that nobody is to be reached on."""
    for protocol in PROTOCOLS:
        own = (pair for ports, _ in demand for number, ranges in ports if number == protocol for pair in ranges)
        if normalised(own) != PORTS:
            return True
    return False
