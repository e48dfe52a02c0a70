"""What becomes of a group's packets: of a few of its ends, where that holds of all, else of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from analyzer.query.alike.thinning import Thin, granted, spread
from analyzer.query.flows import Aim, Lost, analyse
from analyzer.query.grouping import Group
from analyzer.solve.sets.neglected import Neglect
from analyzer.solve.sets.regions import Result
from analyzer.source import Scope
from analyzer.transfer.graph import NetworkProgram
from analyzer.transfer.ir import Point


class Explored(NamedTuple):
    """What is lost and what arrives, what that takes for granted, and how many tests it took. What arrives is told where everybody was asked about."""

    lost: Sequence[Lost]
    delivered: Sequence[Result]
    assumptions: Mapping[str, None]
    rules: int


def explored(
    program: NetworkProgram, group: Group, aim: Aim, dead: Neglect, begin: Callable[[Scope], Point], few: Thin | None
) -> Explored:
    """What becomes of the packets of a group."""
    if few is not None:
        found = analyse(program, program.start, aim, few.senders, dead, begin)
        lost, texts = spread(few, found.lost), granted(few, program.assumptions_at(found.points))
        if lost is not None and texts is not None:
            return Explored(lost, (), texts, found.count.rules)
    found = analyse(program, program.start, aim, group.senders, dead, begin)
    return Explored(found.lost, found.delivered, dict.fromkeys(program.assumptions_at(found.points)), found.count.rules)
