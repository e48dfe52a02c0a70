"""The questions about one network in parts, decided apart, and the whole out of them.

A part has every n-th group of flows. Which these are follows from the network alone, so that whoever has the same content has the same parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analyzer.model.network import Network
from analyzer.query.grouping import Group, pairs_asked
from analyzer.query.guarantees import Spread, Task, keys_of, reaches
from analyzer.query.reach import Reach


@dataclass(frozen=True, slots=True)
class Part:
    """The groups ``place``, ``place + of`` and so on."""

    place: int
    of: int


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of the groups of a part, in their order; ``total``: of how many groups the network has. ``missing``: why it is not known."""

    reaches: tuple[Reach, ...] = ()
    total: int = 0
    missing: str = ""


def of_part(network: Network, part: Part) -> Found:
    """Decides the groups of a part."""
    found: list[Reach] = []
    total = 0

    def spread(tasks: Sequence[Task], work: Callable[[Task], Reach]) -> Sequence[Reach]:
        nonlocal total
        total = len(tasks)
        found.extend(work(task) for task in tasks[part.place :: part.of])
        return [Reach() for _ in tasks]

    if network.namespaces:
        reaches(network, keys_of(network), spread, least=0)
    return Found(tuple(found), total)


def whole(parts: Sequence[Found]) -> Spread:
    """What hands out what was decided before; a group whose part is missing is undecided, and says so."""

    def spread(tasks: Sequence[Task], work: Callable[[Task], Reach]) -> Sequence[Reach]:
        del work
        return [taken(parts, place, len(tasks), task) for place, task in enumerate(tasks)]

    return spread


def taken(parts: Sequence[Found], place: int, total: int, task: Task) -> Reach:
    """What is known of one group."""
    number = place % len(parts)
    found = parts[number]
    if not found.missing and found.total == total:
        return found.reaches[place // len(parts)]
    why = found.missing or f"it was decided of {found.total} groups of flows, and there are {total}"
    words = f"part {number + 1} of {len(parts)} of the questions has no answer: {why}"
    group = task[1]
    asked = 1 if not isinstance(group, Group) else 0 if group.unbound else pairs_asked(group)
    return Reach(doubts={words: None}, pairs=asked, governed=asked, unenforced={words: None})
