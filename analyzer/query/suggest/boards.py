"""The cluster, or one namespace of it, as a board (``solve/smt/covers.py``): one pod of those that everybody treats alike, the addresses and flows that are
told apart, in one family. What fewer policies could say of the whole they could say of this part.

A namespace alone has its own pods and the addresses as ends: what other pods send and get their own policies could decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from analyzer.policy.bits import members
from analyzer.query.suggest.demands import Ports, Side, ports_of
from analyzer.query.suggest.incompatible import told_apart
from analyzer.query.suggest.selectors import first, union
from analyzer.solve.smt.boards import Board, Pair

# So many pairs, times kinds of flows, times policies, are looked at in a second or two.
MOST = 10_000
# So many classes are compared with each other.
CLASSES = 120


@dataclass(frozen=True)
class Stage:
    """The classes of a family that stand for all. ``groups`` are classes of pods that are alike, and ``apart`` such of addresses: the first of each
    stands for them."""

    side: Side
    groups: tuple[tuple[int, ...], ...]
    apart: tuple[tuple[int, ...], ...]

    @property
    def ends(self) -> tuple[int, ...]:
        """The ends, by their numbers on the board."""
        return tuple(group[0] for group in (*self.groups, *self.apart))

    @cached_property
    def pairs(self) -> dict[Pair, int]:
        """The flows of each pair."""
        ends = self.ends
        several = ((one, other) for one in range(len(ends)) for other in range(len(ends)))
        counted = ((one, other) for one, other in several if one != other and min(one, other) < len(self.groups))
        return {Pair(one, other): wanted(self.side, ends[one], ends[other]) for one, other in counted}

    @cached_property
    def kinds(self) -> list[int]:
        """The flows that are told apart."""
        return told_apart(self.side.flows, sorted(set(self.pairs.values())))

    @cached_property
    def board(self) -> Board:
        """The board."""
        classes, members_of = self.side.factors.universe.classes, self.side.factors.universe.members
        rooms = tuple(classes[place].namespace for place in (group[0] for group in self.groups))
        found = {pair: self.kinds_in(flows) for pair, flows in self.pairs.items()}
        labels: tuple[Mapping[str, str], ...] = tuple(
            dict(members_of[place][0].labels) for place in (group[0] for group in self.groups)
        )
        return Board(rooms, len(self.kinds), found, labels)

    @cached_property
    def repeated(self) -> Board:
        """The board with what is wanted between pods that one stands for."""
        found = {
            Pair(place, place): self.kinds_in(self.among(group)) for place, group in enumerate(self.groups) if self.several(group)
        }
        return replace(self.board, wanted={**self.board.wanted, **found})

    def several(self, group: tuple[int, ...]) -> bool:
        """Whether there are several pods in a group."""
        pods = union(self.side.each[place].pods for place in group)
        return bool(pods & (pods - 1)) or self.side.scene.pods[first(pods)].replicas != 1

    def among(self, group: tuple[int, ...]) -> int:
        """The flows between two pods of a group."""
        return wanted(self.side, group[0], group[-1])

    def kinds_in(self, flows: int) -> int:
        """The kinds of flows in a set, as bits; no set tells those of a kind apart."""
        return sum(1 << number for number, kind in enumerate(self.kinds) if flows & kind)

    def ports(self, kinds: int) -> Ports:
        """Kinds of flows as ports."""
        return ports_of(self.side.factors.atoms, union(self.kinds[number] for number in members(kinds)))

    def work(self, policies: int) -> int:
        """How much there is to look at."""
        return len(self.pairs) * len(self.kinds) * policies


def stage(side: Side, namespace: str | None = None) -> Stage | None:
    """What stands for a namespace, or for all of them; None where there is too much to compare."""
    classes = side.factors.universe.classes
    own = [place for place in members(side.pods) if side.each[place].pods and namespace in (None, classes[place].namespace)]
    others = [place for place, ends in enumerate(side.each) if ends.addresses and not ends.pods]
    if len(own) + len(others) > CLASSES:
        return None
    groups = tuple(alike(side, own, [*own, *others]))
    return Stage(side, groups, tuple(alike(side, others, [group[0] for group in groups])))


def wanted(side: Side, source: int, destination: int) -> int:
    """The flows that are wanted between two classes."""
    return side.factors.pair(source, destination)[0] & side.flows


def alike(side: Side, places: Iterable[int], ends: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """The classes of a namespace to and from which the same is wanted, of all other ends."""
    known: dict[tuple[object, ...], list[int]] = {}
    for place in places:
        row = tuple(wanted(side, place, end) for end in ends), tuple(wanted(side, end, place) for end in ends)
        known.setdefault((side.factors.universe.classes[place].namespace, row), []).append(place)
    yield from map(tuple, known.values())
