"""What the sets prove is asked of Z3 too, for a part of the flows: a proof that the two engines do not share is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from operator import itemgetter
from typing import TypeVar

from analyzer.query.flows import Aim, Sender, request, spelled
from analyzer.ranges import normalised
from analyzer.solve.questions import Question, answers
from analyzer.solve.regions import State
from analyzer.solve.states import NO_PAYLOAD
from analyzer.solve.symbolic_ways import Some
from analyzer.source import Scope
from analyzer.transfer import ir
from analyzer.transfer.graph import NetworkProgram
from analyzer.transfer.ir import Field

WAYS, SOME = 1_000, 6
Item = TypeVar("Item")
Parted = Callable[[Aim, State], tuple[list[State], list[State]]]


def every(aim: Aim, state: State) -> tuple[list[State], list[State]]:
    """All packets of a set are to arrive."""
    del aim
    return [state], []


def contradiction(
    program: NetworkProgram, aims: Iterable[Aim], senders: Sequence[Sender], parted: Parted = every, unbound: bool = False
) -> str:
    """Asks whether some packet of the senders fails on its way there; words where Z3 finds one although the sets have none. What is
    too much for Z3 stays the sets' answer. ``parted`` gives the packets of a set that are to arrive, and those that are not to."""
    some = [slimmed(sender) for sender in spaced(senders, SOME)]
    begin = program.start_unbound if unbound else program.start
    for aim in map(slim, aims):
        sets = [(begin(sender.scope), parted(aim, request(aim, sender))) for sender in some]
        wanted = [(point, state) for point, (states, _) in sets for state in states]
        denied = [(point, state) for point, (_, states) in sets for state in states]
        words = differing(program, wanted, dict(questions(aim, some)))
        if words := words or differing(program, denied, {"that no policy admits arrives": (delivered, ())}):
            return words
    return ""


def differing(program: NetworkProgram, starts: Sequence[tuple[ir.Point, State]], asked: Mapping[str, Question]) -> str:
    """What Z3 finds that the sets have not."""
    for words, found in zip(asked, answers(program, starts, tuple(asked.values()), ways=WAYS) if starts else (), strict=False):
        if isinstance(found, Some):
            return f"internal error: by the sets no packet {words}, by Z3 one does: {dict(found.values)}"
    return ""


def questions(aim: Aim, senders: Iterable[Sender]) -> Iterator[tuple[str, Question]]:
    """What no packet may do."""
    yield "is lost", (lost, ())
    if aim.translated is not None:
        return
    yield "arrives with another source", (delivered, ((Field.SOURCE, Field.SOURCE.value, False),))
    yield "arrives with another destination", (delivered, ((Field.DESTINATION, Field.DESTINATION.value, False),))
    for value in sorted({value for sender in senders for value in spelled(sender.destinations)}):
        held = aim.holders.get(value, frozenset())
        astray = partial(elsewhere, held)
        yield f"to {value} is delivered elsewhere", (astray, ((Field.DESTINATION, value, True),))


def delivered(exit: ir.Exit) -> bool:
    """Whether somebody has the packet."""
    return isinstance(exit, ir.Deliver)


def elsewhere(held: frozenset[Scope], exit: ir.Exit) -> bool:
    """Whether somebody else has the packet."""
    return isinstance(exit, ir.Deliver) and exit.scope not in held


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
