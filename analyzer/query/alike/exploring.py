"""What becomes of a group's packets: of a few of its ends, where that holds of all, else of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from itertools import chain
from typing import NamedTuple

from analyzer.model.network import Network
from analyzer.query.alike.callers import FewCallers, few_callers, granted_to_callers, spread_over_callers
from analyzer.query.alike.thinning import Thin, delivered_to_all, granted, spread, thinned, widely
from analyzer.query.alike.told import AT_ONCE
from analyzer.query.flows import Aim, Analysis, Lost, Sender, analyse
from analyzer.query.grouping import Group
from analyzer.ranges import difference, intersection
from analyzer.solve.sets.neglected import Neglect
from analyzer.solve.sets.regions import Result, State
from analyzer.source import Scope
from analyzer.transfer.graph import NetworkProgram
from analyzer.transfer.ir import Point
from analyzer.transfer.other_version import OUTER

CHAINS = ("chain", "nft chain")
Few = Thin | FewCallers


class Explored(NamedTuple):
    """What is lost and what arrives, what that takes for granted, and how many tests it took. What arrives is told where everybody was asked about, or all of it is wanted;
    ``arrived`` says of which flows between pods and nodes something does."""

    lost: Sequence[Lost]
    delivered: Sequence[Result]
    assumptions: Mapping[str, None]
    rules: int
    arrived: Callable[[], Iterator[State]]


def few_of(network: Network, group: Group) -> Few | None:
    """A group by a few of its ends; None where not all ends can be told, or that would not make it smaller."""
    return (
        thinned(network, group) if group.pods else few_callers(network, group) if group.aims[0].translated is not None else None
    )


def explored(
    program: NetworkProgram,
    group: Group,
    aim: Aim,
    dead: Neglect,
    begin: Callable[[Scope], Point],
    few: Few | None,
    whole: bool = False,
) -> Explored:
    """What becomes of the packets of a group; what is sent to ports by which packets get to chains that are not read is asked of everybody, where the rest
    is not. ``whole``: all that arrives is to be told."""
    asking = Asking(program, dead, begin, whole)
    if few is None:
        return of_all(asking, group, aim)
    found = of_few(asking, few, aim)
    if isinstance(few, FewCallers):
        return found or of_all(asking, group, aim)
    if found is None and (open_to_all := intersection(aim.ports, few.kinds.ports)):
        rest = of_few(asking, few, replace(aim, ports=difference(aim.ports, open_to_all)))
        found = together(rest, of_all(asking, group, replace(aim, ports=open_to_all))) if rest is not None else None
    return found or of_all(asking, group, aim)


@dataclass(frozen=True, slots=True)
class Asking:
    """What is asked, where what senders send starts, and what may be forgotten; ``whole``: all that arrives is to be told."""

    program: NetworkProgram
    dead: Neglect
    begin: Callable[[Scope], Point]
    whole: bool = False


def of_all(asking: Asking, group: Group, aim: Aim) -> Explored:
    """What becomes of what everybody sends; to services, of what the pods of some nodes do at once."""
    parts = [group.senders] if aim.translated is None else [*by_some_nodes(group.senders)]
    return reduce(together, [of_some(asking, some, aim) for some in parts])


def of_some(asking: Asking, senders: Sequence[Sender], aim: Aim) -> Explored:
    """What becomes of what some send."""
    found = analyse(asking.program, asking.program.start, aim, senders, asking.dead, asking.begin)
    texts = dict.fromkeys(asking.program.assumptions_at(found.points))
    return Explored(found.lost, found.delivered, texts, found.count.rules, lambda: (one.state for one in found.delivered))


def by_some_nodes(senders: Sequence[Sender]) -> Iterator[Sequence[Sender]]:
    """The senders of a few nodes at a time."""
    nodes = sorted({sender.scope.node for sender in senders})
    for start in range(0, len(nodes), AT_ONCE):
        some = frozenset(nodes[start : start + AT_ONCE])
        yield tuple(sender for sender in senders if sender.scope.node in some)


def of_few(asking: Asking, few: Few, aim: Aim) -> Explored | None:
    """What becomes of what a few send, said of all; None where that cannot be said."""
    found = analyse(asking.program, asking.program.start, aim, few.senders, asking.dead, asking.begin)
    if astray(few, found):
        return None
    lost, texts = said_of_all(few, found.lost, asking.program.assumptions_at(found.points))
    told = delivered_to_all(few, found.delivered) if asking.whole and isinstance(few, Thin) else ()
    if lost is None or texts is None or told is None:
        return None
    arrived = partial(widely, few, found.delivered) if isinstance(few, Thin) else partial(iter, ())
    return Explored(lost, told, texts, found.count.rules, arrived)


def said_of_all(few: Few, lost: Sequence[Lost], texts: Iterable[str]) -> tuple[list[Lost] | None, dict[str, None] | None]:
    """What is lost and taken for granted, said of all."""
    if isinstance(few, FewCallers):
        return spread_over_callers(few, lost), granted_to_callers(few, texts)
    return spread(few, lost), granted(few, texts)


def together(one: Explored, other: Explored) -> Explored:
    """What is known of two parts of a group's packets."""
    texts = {**one.assumptions, **other.assumptions}
    delivered, rules = [*one.delivered, *other.delivered], one.rules + other.rules
    return Explored([*one.lost, *other.lost], delivered, texts, rules, lambda: chain(one.arrived(), other.arrived()))


def astray(few: Few, found: Analysis) -> bool:
    """Whether packets got to chains that were not read when it was told who is alike; families of rules do not say which ones they enter. Packets to services' addresses
    enter the chains for these, which are read for them: no other rule that is read leads there, and none to one that is not from a single address (``Reached.hidden``)."""
    unread = few.kinds.unread
    if isinstance(few, FewCallers):
        unread -= few.services.chains
        return any(point.stage.removeprefix(OUTER) in CHAINS and point.detail in unread for point in found.points)
    return bool(unread) and (
        found.count.families
        or any(point.stage.removeprefix(OUTER) in CHAINS and point.detail in unread for point in found.points)
    )
