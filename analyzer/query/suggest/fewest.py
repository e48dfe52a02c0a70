"""How far a suggested set of policies is from the smallest, as far as it is proved.

Each namespace needs as many policies as it has demands that are all at odds (``incompatible.py``), or as Z3 finds that its pods cannot do without, where they
are few enough (``boards.py``); so does the cluster as a whole. Nobody else's policies can stand in for those of a namespace.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from analyzer.query.suggest.boards import MOST, Stage, stage
from analyzer.query.suggest.demands import Scene, Side
from analyzer.query.suggest.incompatible import Counting, Needs, counting
from analyzer.query.suggest.planned import Planned
from analyzer.query.suggest.planning import Planner
from analyzer.query.suggest.restricting import Demands
from analyzer.query.suggest.smaller import smaller

# So much of ``Stage.work`` is done for all namespaces together.
ALL = 2 * MOST


@dataclass
class Bounds:
    """How few policies could do. ``left``: how much is to be looked at yet, for the namespaces one by one."""

    planner: Planner
    left: int = ALL
    known: dict[object, int] = field(default_factory=dict)

    @property
    def scene(self) -> Scene:
        """Who is there."""
        return self.planner.scene

    @property
    def wanted(self) -> Demands:
        """What is wanted."""
        return self.planner.wanted

    def sense(self, count: int) -> str:
        """How far so many policies are from the smallest set, in words."""
        least = self.least(count)
        if least == count:
            return "no fewer NetworkPolicies can say it: proved"
        return f"at most {count - least} more than the smallest set, which has no fewer than {least}: proved{self.between(least)}"

    def between(self, least: int) -> str:
        """How many there are at least where one direction decides between pods, in words, where these are more."""
        way = "egress" if self.planner.by_egress else "ingress"
        found = self.least_of(counting(self.scene, self.wanted, by_egress=self.planner.by_egress))
        return f"; no fewer than {found} can say it where {way} decides between pods: proved" if found > least else ""

    def least(self, count: int) -> int:
        """How many policies there are at least in any set, of which one has so many: as many as what is wanted in one of the families needs."""
        sides, least = [Side(self.scene, family) for family in self.scene.families], 0
        for side in sides if count else ():
            found = stage(side)
            least = max(least, self.by_board(found, 0, count)) if found is not None else least
            if least == count:
                return least
        return max(least, *(self.each(side, count) for side in sides)) if count else 0

    def briefly(self, count: int) -> str:
        """The same of policies that were not looked for, by what addresses alone need."""
        least = min(count, self.least_of(Counting()))
        return f"there are at most {count - least} more than in the smallest set, which has no fewer than {least}: proved"

    def each(self, side: Side, count: int) -> int:
        """How many policies the namespaces need, each for itself."""
        found = 0
        for name, labels in self.planner.labels.items():
            least = Needs(self.scene, self.wanted, labels).least(Counting())
            here = stage(side, name) if self.left > 0 else None
            found += self.by_board(here, least, len(here.groups)) if here is not None else least
        return min(found, count)

    def least_of(self, ends: Counting) -> int:
        """How many policies the namespaces need where pods count as other ends."""
        return sum(Needs(self.scene, self.wanted, labels).least(ends) for labels in self.planner.labels.values())

    def by_board(self, found: Stage, least: int, most: int) -> int:
        """How many policies what a board stands for needs, from ``least`` to ``most``."""
        board = found.board
        rooms = board.rooms if len(set(board.rooms)) > 1 else board.rooms[:1] and ("",) * len(board.rooms)
        key = (rooms, board.flows, tuple(board.wanted.items()), tuple(map(str, board.labels)))
        if key not in self.known:
            self.known[key] = self.proved(found, least, most)
        return max(least, self.known[key])

    def proved(self, found: Stage, least: int, most: int) -> int:
        """The same, by asking for fewer than ``most`` at first, and for one more and more else."""
        from analyzer.solve.smt.covers import fewer

        for policies in (most - 1, *range(least, most - 1)) if most > least else ():
            work = found.work(policies + 1)
            if work > min(MOST, self.left) or policies < least:
                continue
            self.left -= work
            answer = fewer(found.board, policies)
            if answer is False:
                least = policies + 1
            elif policies < most - 1:
                break
        return least


def fewer_than(bounds: Bounds, count: int) -> tuple[Planned, ...] | None:
    """Fewer policies than so many, where some are found."""
    scene = bounds.scene
    found = stage(Side(scene, scene.families[0])) if count > 1 else None
    if found is None or bounds.by_board(found, 0, count) == count:
        return None
    return smaller(bounds.planner, found, count)
