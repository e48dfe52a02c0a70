"""Work on both sides of a fork: whoever is free takes the next item of a list."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def spread(jobs: int) -> Callable[[Sequence[Item], Callable[[Item], Result]], Sequence[Result]]:
    """What decides the items of a list in ``jobs`` processes (where the system can fork): the results, in the order of the items."""

    def run(items: Sequence[Item], work: Callable[[Item], Result]) -> Sequence[Result]:
        if jobs < 2 or len(items) < 2 or "fork" not in multiprocessing.get_all_start_methods():
            return [work(item) for item in items]
        context = multiprocessing.get_context("fork")
        counter: Synchronized[int] = context.Value("i", 0)
        others = [begun(counter, items, work) for _ in range(min(jobs, len(items)) - 1)]
        found = taken(counter, items, work)
        for receiver in others:
            found |= finished(receiver)
        return [found[place] if place in found else work(item) for place, item in enumerate(items)]

    return run


def taken(counter: Synchronized[int], items: Sequence[Item], work: Callable[[Item], Result]) -> dict[int, Result]:
    """The results of the items that nobody else took, by place."""
    found: dict[int, Result] = {}
    while True:
        with counter.get_lock():
            place = counter.value
            counter.value += 1
        if place >= len(items):
            return found
        found[place] = work(items[place])


def begun(counter: Synchronized[int], items: Sequence[Item], work: Callable[[Item], Result]) -> Connection:
    """Starts another process; its results come through the connection."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    context.Process(target=sent, args=(sender, counter, items, work), daemon=True).start()
    sender.close()
    return receiver


def sent(sender: Connection, counter: Synchronized[int], items: Sequence[Item], work: Callable[[Item], Result]) -> None:
    """Works in the other process and sends what comes of it."""
    sender.send_bytes(pickle.dumps(taken(counter, items, work)))
    sender.close()


def finished(receiver: Connection) -> dict[int, Result]:
    """The other process' results; none where it died (killed, out of memory)."""
    found: dict[int, Result] = {}
    with suppress(EOFError, OSError):
        found = pickle.loads(receiver.recv_bytes())
    return found
