"""Work on both sides of a fork: a part of a list in a process of its own, the other part here."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
FEW = 4


def spread(jobs: int) -> Callable[[Sequence[Item], Callable[[Sequence[Item]], Result]], Sequence[Result]]:
    """What decides a list in ``jobs`` processes (where the system can fork): the results of the parts, in order."""

    def run(items: Sequence[Item], work: Callable[[Sequence[Item]], Result]) -> Sequence[Result]:
        if jobs < 2 or len(items) < FEW or "fork" not in multiprocessing.get_all_start_methods():
            return (work(items),)
        parts = [items[start::jobs] for start in range(jobs)]
        started = [begun(part, work) for part in parts[1:]]
        own = work(parts[0])
        return (own, *(finished(receiver, part, work) for (receiver, part) in zip(started, parts[1:], strict=True)))

    return run


def begun(part: Sequence[Item], work: Callable[[Sequence[Item]], Result]) -> Connection:
    """Starts a process for a part; its result comes through the connection."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    context.Process(target=sent, args=(sender, part, work), daemon=True).start()
    sender.close()
    return receiver


def sent(sender: Connection, part: Sequence[Item], work: Callable[[Sequence[Item]], Result]) -> None:
    """Works in the other process and sends what comes of it."""
    sender.send_bytes(pickle.dumps(work(part)))
    sender.close()


def finished(receiver: Connection, part: Sequence[Item], work: Callable[[Sequence[Item]], Result]) -> Result:
    """The other process' result; where it died (killed, out of memory) the part is done here."""
    try:
        result: Result = pickle.loads(receiver.recv_bytes())
    except (EOFError, OSError):
        return work(part)
    return result
