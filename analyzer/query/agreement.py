"""What the sets prove is asked of Z3 too: a proof that the two engines do not share is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from analyzer.query.flows import request
from analyzer.query.reach import Group
from analyzer.solve.states import NO_PAYLOAD
from analyzer.solve.symbolic import Some, exists
from analyzer.source import Scope
from analyzer.transfer import ir

WAYS, GROUPS = 1_000, 2


def contradiction(program: ir.Program, send: Callable[[Scope], ir.Point], groups: Iterable[Group]) -> str:
    """Asks whether some packet of the senders is lost on its way there; words where Z3 finds one although the sets have none. What is
    too much for Z3 stays the sets' answer."""
    for group in tuple(groups)[:GROUPS]:
        for aim in group.aims:
            starts = [(send(sender.scope), request(aim, sender)) for sender in group.senders]
            found = exists(program, starts, lost, ways=WAYS)
            if isinstance(found, Some):
                return f"internal error: the sets lose no packet, Z3 finds one: {dict(found.values)}"
    return ""


def lost(exit: ir.Exit) -> bool:
    """Whether the packet ends without being delivered."""
    return not isinstance(exit, ir.Deliver | ir.Leave) and exit != NO_PAYLOAD
