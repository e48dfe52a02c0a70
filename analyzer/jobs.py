"""Work on both sides of a fork: whoever is free takes the next item of a list."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from tempfile import TemporaryFile
from typing import IO, TypeVar

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


def beside(work: Callable[[], Result]) -> Callable[[], Result]:
    """Begins work in another process, where the system can fork; what waits for its result. Where that process dies (killed, out of memory, a full disk), or
    cannot be begun, the work is done here then. Its result is put down in a file, so that it need not wait, with its memory, for whoever asks."""
    if "fork" not in multiprocessing.get_all_start_methods():
        return work
    try:
        file = TemporaryFile()  # noqa: SIM115  # It is open until its result is asked for.
        process = multiprocessing.get_context("fork").Process(target=put_down, args=(file, work), daemon=True)
        process.start()
    except OSError:
        return work

    def result() -> Result:
        process.join()
        with file:
            file.seek(0)
            found: Result = pickle.load(file) if process.exitcode == 0 else work()
        return found

    return result


def put_down(file: IO[bytes], work: Callable[[], object]) -> None:
    """Works in the other process, and writes what comes of it; without a word where there is no room for it."""
    try:
        pickle.dump(work(), file)
        file.flush()
    except (OSError, MemoryError):
        raise SystemExit(1) from None


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
