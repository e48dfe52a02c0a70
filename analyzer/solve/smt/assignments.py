"""Assignments in which a choice takes several things at once, decided by Z3: whole numbers of pods for each option of each demand.

A demand is served when its options' numbers add up to its count; a resource suffices when what the options take of it is at most its capacity. Each of these is
an assumption of its own, so that an unsatisfiable core names the demands and resources in conflict; it is then made smallest by leaving out one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import z3

Numbers = Sequence[tuple[int, Sequence[Sequence[str]]]]
MILLISECONDS = 5000
SEED = 7


def decide(demands: Numbers, capacities: Mapping[str, int]) -> tuple[tuple[int, ...], tuple[str, ...]] | str | None:
    """None: all can be served. A pair: the indices of demands and the names of resources that are in conflict, none of which can be
    left out. A text: why it is not decided. ``demands`` are counts with options, an option the names of the resources that it takes."""
    solver = z3.Solver()
    solver.set("random_seed", SEED)
    solver.set("timeout", MILLISECONDS)
    served, enough = statements(solver, demands, capacities)
    marks = [*served, *enough.values()]
    answer = solver.check(*marks)
    if answer == z3.sat:
        return None
    if answer != z3.unsat:
        return f"the solver gave up: {solver.reason_unknown()}"
    named = {str(item) for item in solver.unsat_core()}
    kept = smallest(solver, [mark for mark in marks if str(mark) in named])
    names = {str(mark) for mark in kept}
    indices = tuple(index for index, mark in enumerate(served) if str(mark) in names)
    return indices, tuple(name for name, mark in enough.items() if str(mark) in names)


def statements(
    solver: z3.Solver, demands: Numbers, capacities: Mapping[str, int]
) -> tuple[list[z3.BoolRef], dict[str, z3.BoolRef]]:
    """What each mark stands for: that a demand is served, that a resource suffices."""
    taken: dict[str, list[z3.ArithRef]] = {name: [] for name in capacities}
    served = []
    for index, (count, options) in enumerate(demands):
        numbers = [z3.Int(f"n{index}_{position}") for position in range(len(options))]
        for number, option in zip(numbers, options, strict=True):
            solver.add(number >= 0)
            for name in option:
                taken[name].append(number)
        mark = z3.Bool(f"served{index}")
        solver.add(z3.Implies(mark, z3.Sum(numbers) >= count))
        served.append(mark)
    enough = {}
    for position, (name, capacity) in enumerate(sorted(capacities.items())):
        if taken[name]:
            enough[name] = z3.Bool(f"enough{position}")
            solver.add(z3.Implies(enough[name], z3.Sum(taken[name]) <= capacity))
    return served, enough


def smallest(solver: z3.Solver, marks: Iterable[z3.BoolRef]) -> list[z3.BoolRef]:
    """The marks without those that the conflict does not need."""
    kept = list(marks)
    for mark in list(kept):
        rest = [item for item in kept if item is not mark]
        if solver.check(*rest) == z3.unsat:
            kept = rest
    return kept
