"""What becomes of a group's packets: of a few of its ends, where that holds of all, else of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import NamedTuple

from analyzer.query.alike.thinning import Thin, granted, spread, widely
from analyzer.query.flows import Aim, Analysis, Lost, analyse
from analyzer.query.grouping import Group
from analyzer.ranges import difference, intersection
from analyzer.solve.sets.neglected import Neglect
from analyzer.solve.sets.regions import Result, State
from analyzer.source import Scope
from analyzer.transfer.graph import NetworkProgram
from analyzer.transfer.ir import Point
from analyzer.transfer.other_version import OUTER

CHAIN = "chain"


class Explored(NamedTuple):
    """What is lost and what arrives, what that takes for granted, and how many tests it took. What arrives is told where everybody was asked about;
    ``arrived`` says of which flows something does."""

    lost: Sequence[Lost]
    delivered: Sequence[Result]
    assumptions: Mapping[str, None]
    rules: int
    arrived: Callable[[], Iterator[State]]


def explored(
    program: NetworkProgram, group: Group, aim: Aim, dead: Neglect, begin: Callable[[Scope], Point], few: Thin | None
) -> Explored:
    """What becomes of the packets of a group; what is sent to ports by which packets get to chains that are not read is asked of everybody, where the rest
    is not."""
    asking = Asking(program, dead, begin)
    if few is None:
        return of_all(asking, group, aim)
    found = of_few(asking, few, aim)
    if found is None and (open_to_all := intersection(aim.ports, few.kinds.ports)):
        rest = of_few(asking, few, replace(aim, ports=difference(aim.ports, open_to_all)))
        found = together(rest, of_all(asking, group, replace(aim, ports=open_to_all))) if rest is not None else None
    return found or of_all(asking, group, aim)


@dataclass(frozen=True, slots=True)
class Asking:
    """What is asked, where what senders send starts, and what may be forgotten."""

    program: NetworkProgram
    dead: Neglect
    begin: Callable[[Scope], Point]


def of_all(asking: Asking, group: Group, aim: Aim) -> Explored:
    """What becomes of what everybody sends."""
    found = analyse(asking.program, asking.program.start, aim, group.senders, asking.dead, asking.begin)
    texts = dict.fromkeys(asking.program.assumptions_at(found.points))
    return Explored(found.lost, found.delivered, texts, found.count.rules, lambda: (one.state for one in found.delivered))


def of_few(asking: Asking, few: Thin, aim: Aim) -> Explored | None:
    """What becomes of what a few send, said of all; None where that cannot be said."""
    found = analyse(asking.program, asking.program.start, aim, few.senders, asking.dead, asking.begin)
    if astray(few, found):
        return None
    lost, texts = spread(few, found.lost), granted(few, asking.program.assumptions_at(found.points))
    arrived = partial(widely, few, found.delivered)
    return None if lost is None or texts is None else Explored(lost, (), texts, found.count.rules, arrived)


def together(one: Explored, other: Explored) -> Explored:
    """What is known of two parts of a group's packets."""
    texts = {**one.assumptions, **other.assumptions}
    rules = one.rules + other.rules
    return Explored([*one.lost, *other.lost], other.delivered, texts, rules, lambda: chain(one.arrived(), other.arrived()))


def astray(few: Thin, found: Analysis) -> bool:
    """Whether packets got to chains that were not read when it was told who is alike; families of rules do not say which ones they enter."""
    unread = few.kinds.unread
    return bool(unread) and (
        found.count.families or any(point.stage.removeprefix(OUTER) == CHAIN and point.detail in unread for point in found.points)
    )
