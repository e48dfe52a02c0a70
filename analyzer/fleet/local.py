"""Tasks on this machine: a process for each, so many at once. A process that dies is tried once more; one that takes too long is ended."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

from analyzer.fleet.limits import TRIES, Limits, Lost, bound, ended, too_large, too_slow

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Running(Generic[Result]):
    """A task that is being done: which, for how often it was begun, until when, and by whom."""

    place: int
    tries: int
    deadline: float
    process: BaseProcess
    receiver: Connection


def run(
    items: Sequence[Item], work: Callable[[Item], Result], workers: int, limits: Limits
) -> Iterator[tuple[int, Result | Lost]]:
    """The result of each item with its place, as they come; ``Lost`` for what has none. ``work`` and its results can be pickled."""
    waiting, running = deque((place, 1) for place in range(len(items))), dict[Connection, Running[Result]]()
    try:
        while waiting or running:
            while waiting and len(running) < max(1, workers):
                place, tries = waiting.popleft()
                task = begun(place, tries, items[place], work, limits)
                running[task.receiver] = task
            for task in ready(running):
                del running[task.receiver]
                found = finished(task, limits)
                if found is None:
                    waiting.append((task.place, task.tries + 1))
                else:
                    yield task.place, found
    finally:
        for task in running.values():
            stop(task)


def begun(place: int, tries: int, item: Item, work: Callable[[Item], Result], limits: Limits) -> Running[Result]:
    """Starts a task's process."""
    ways = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("fork" if "fork" in ways else "spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=done, args=(sender, work, item, limits), daemon=True)  # type: ignore[attr-defined]
    process.start()
    sender.close()
    return Running(place, tries, time.monotonic() + limits.seconds, process, receiver)


def done(sender: Connection, work: Callable[[Item], Result], item: Item, limits: Limits) -> None:
    """The task's process: works, and sends what comes of it. It has a group of its own, so that what it starts ends with it."""
    if hasattr(os, "setpgrp"):
        os.setpgrp()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    bound(limits)
    try:
        found = pickle.dumps(work(item))
    except MemoryError:
        found = pickle.dumps(too_large(limits))
    sender.send_bytes(found)
    sender.close()


def ready(running: dict[Connection, Running[Result]]) -> list[Running[Result]]:
    """The tasks that ended, or that have no time left."""
    first = min(task.deadline for task in running.values())
    told = wait(list(running), max(0.0, first - time.monotonic()))
    now = time.monotonic()
    return [task for receiver, task in running.items() if receiver in told or task.deadline <= now]


def finished(task: Running[Result], limits: Limits) -> Result | Lost | None:
    """The result; ``Lost`` where there is none; None where the task is to be done again."""
    found: Result | Lost | None = None
    if task.receiver.poll():
        with suppress(EOFError, OSError, pickle.UnpicklingError):
            found = pickle.loads(task.receiver.recv_bytes())
    elif task.deadline <= time.monotonic():
        found = too_slow(limits)
    if found is not None:
        stop(task)
        return found
    task.process.join(1)
    status = task.process.exitcode
    stop(task)
    if status is None or (status < 0 and status != -signal.SIGALRM and task.tries < TRIES):
        return None if task.tries < TRIES else ended(-signal.SIGKILL, limits)
    return ended(status, limits)


def stop(task: Running[Result]) -> None:
    """Ends a task's process and what it started."""
    task.receiver.close()
    if task.process.pid and hasattr(os, "killpg"):
        with suppress(OSError):
            os.killpg(task.process.pid, signal.SIGKILL)
    task.process.kill()
    task.process.join()
