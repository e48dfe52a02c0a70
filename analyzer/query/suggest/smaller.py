"""Fewer policies than were planned, where Z3 finds some: whom they select and what they admit, as policies that can be written.

Selections may overlap, and one end of a pair or the other may keep flows out. What Z3 chose freely goes: an end that need not be admitted, a direction that
need not be closed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from analyzer.policy.bits import members
from analyzer.query.suggest.boards import MOST, Stage
from analyzer.query.suggest.demands import Demand, Ends, Ports
from analyzer.query.suggest.naming import names
from analyzer.query.suggest.planned import Planned, Rules, UnsayableError
from analyzer.query.suggest.planning import Planner, united
from analyzer.query.suggest.selectors import Selector, union
from analyzer.solve.smt.boards import Board, Cover


def smaller(planner: Planner, found: Stage, count: int) -> tuple[Planned, ...] | None:
    """Fewer policies than so many; None where none were found that can be written."""
    from analyzer.solve.smt.covers import covers

    if found.work(count) > MOST:
        return None
    best: tuple[Planned, ...] | None = None
    while count and (chosen := covers(found.repeated, count - 1)):
        written = Realised(planner, found).policies(pruned(found.repeated, chosen))
        if written is None or len(written) >= count:
            break
        best, count = written, len(written)
    return best


def pruned(board: Board, chosen: Sequence[Cover]) -> list[Cover]:
    """Policies without what they need not say."""
    found = list(chosen)
    for place in range(len(found)):
        for less in (found[place]._replace(out=None), found[place]._replace(into=None)):
            tried = [*found[:place], less, *found[place + 1 :]]
            if says(board, tried):
                found = tried
                break
    for place in range(len(found)):
        for way in ("out", "into"):
            for end in sorted(getattr(found[place], way) or ()):
                for kind in range(board.flows):
                    tried = [*found[:place], without(found[place], way, end, kind), *found[place + 1 :]]
                    found = tried if says(board, tried) else found
    return found


def without(cover: Cover, way: str, end: int, kind: int) -> Cover:
    """A policy that does not admit a kind of flows of an end."""
    own = cover.out if way == "out" else cover.into
    less = {**(own or {}), end: (own or {}).get(end, 0) & ~(1 << kind)}
    return cover._replace(out=less) if way == "out" else cover._replace(into=less)


def says(board: Board, chosen: Sequence[Cover]) -> bool:
    """Whether policies say what is wanted."""
    every = (1 << board.flows) - 1
    return all(
        passing([cover.out for cover in chosen if pair.source in cover.about], pair.destination, every)
        & passing([cover.into for cover in chosen if pair.destination in cover.about], pair.source, every)
        == flows
        for pair, flows in board.wanted.items()
    )


def passing(ways: Sequence[Mapping[int, int] | None], end: int, every: int) -> int:
    """The kinds of flows that the policies of a pod let pass one way, to or from an end."""
    closed = [way for way in ways if way is not None]
    return union(way.get(end, 0) for way in closed) if closed else every


@dataclass(frozen=True)
class Realised:
    """Policies of a board as such of the cluster."""

    planner: Planner
    found: Stage

    def policies(self, chosen: Sequence[Cover]) -> tuple[Planned, ...] | None:
        """The policies; None where labels do not tell who is meant."""
        try:
            planned = [policy for cover in chosen for policy in self.policy(cover)]
        except UnsayableError:
            return None
        return names(self.planner.scene, united(planned))

    def policy(self, cover: Cover) -> Iterator[Planned]:
        """One policy."""
        if not cover.about or (cover.out is None and cover.into is None):
            return
        pods = union(self.ends(place).pods for place in cover.about)
        namespace = self.planner.scene.pods[next(members(pods))].namespace
        for selector in self.selectors(namespace, pods):
            yield Planned(
                namespace, selector, pods, self.rules(namespace, pods, cover.into), self.rules(namespace, pods, cover.out)
            )

    def selectors(self, namespace: str, pods: int) -> tuple[Selector, ...]:
        """The selectors of the pods."""
        return self.planner.selectors_of(namespace, pods, self.planner.labels[namespace].pods & ~pods)

    def rules(self, namespace: str, pods: int, admitted: Mapping[int, int] | None) -> Rules | None:
        """The rules of a direction."""
        if admitted is None:
            return None
        demand: dict[Ports, Ends] = {}
        for end, kinds in admitted.items():
            if kinds:
                ports = self.found.ports(kinds)
                demand[ports] = demand.get(ports, Ends()) | self.ends(end)
        wanted: Demand = tuple(sorted(demand.items()))
        return self.planner.admitting(namespace, self.planner.scene.families, pods, wanted)

    def ends(self, place: int) -> Ends:
        """The pods or addresses that an end of the board stands for."""
        groups = (*self.found.groups, *self.found.apart)
        found = Ends()
        for own in groups[place]:
            found |= self.found.side.each[own]
        return found
