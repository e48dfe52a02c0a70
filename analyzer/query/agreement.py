"""What the sets prove is asked of Z3 too, for a part of the flows: a proof that the two engines do not share is none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import TypeVar

from analyzer.query.flows import Aim, Sender, request, spelled
from analyzer.ranges import normalised
from analyzer.solve.states import NO_PAYLOAD
from analyzer.solve.symbolic import exists
from analyzer.solve.symbolic_ways import Some
from analyzer.transfer import ir
from analyzer.transfer.graph import NetworkProgram

WAYS, SOME = 1_000, 6
Item = TypeVar("Item")


def contradiction(program: NetworkProgram, aims: Iterable[Aim], senders: Sequence[Sender]) -> str:
    """Asks whether some packet of the senders is lost on its way there; words where Z3 finds one although the sets have none. What is
    too much for Z3 stays the sets' answer."""
    for aim in map(slim, aims):
        starts = [(program.start(sender.scope), request(aim, sender)) for sender in map(slimmed, spaced(senders, SOME))]
        found = exists(program, starts, lost, ways=WAYS)
        if isinstance(found, Some):
            return f"internal error: the sets lose no packet, Z3 finds one: {dict(found.values)}"
    return ""


def slim(aim: Aim) -> Aim:
    """The aim with some of its service ports."""
    if aim.translated is None:
        return aim
    return replace(aim, translated=dict(spaced(sorted(aim.translated.items(), key=itemgetter(0)), SOME)))


def slimmed(sender: Sender) -> Sender:
    """The sender with some of its destinations."""
    values = spaced(tuple(spelled(sender.destinations)), SOME)
    return sender._replace(destinations=normalised((value, value) for value in values))


def spaced(items: Sequence[Item], most: int) -> Sequence[Item]:
    """At most so many of the items, with even spaces between them."""
    return items[:: -(-len(items) // most)]


def lost(exit: ir.Exit) -> bool:
    """Whether the packet ends without being delivered."""
    return not isinstance(exit, ir.Deliver | ir.Leave) and exit != NO_PAYLOAD
