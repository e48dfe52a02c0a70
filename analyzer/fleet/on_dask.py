"""Tasks on a Dask cluster: a scheduler that is named, or workers of our own in processes of this machine.

What a task reads goes with it, so that workers need no files. A task's key is the hash of its content: two runs at once on one scheduler share what is the same.
Dask gives the tasks of a worker that died to another one, and results that died with it are made again; a running task cannot be stopped by Dask, so
that each has a process of its own (``child``).
"""

from __future__ import annotations

import logging
import time
import warnings
from asyncio import CancelledError
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, TypeVar

from analyzer import __version__
from analyzer.fleet.child import isolated
from analyzer.fleet.limits import TRIES, Limits, Lost

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster

Item = TypeVar("Item")
CONNECTING = 30.0
PATIENCE = 120.0
PAUSE = 0.05
GONE = Lost("the scheduler of Dask went away")
NOBODY = Lost(f"no worker of Dask was there for {PATIENCE:g} s")


def run(
    items: Sequence[Item], content: Callable[[Item], bytes], work: str, workers: int, limits: Limits, scheduler: str = ""
) -> Iterator[tuple[int, bytes | Lost]]:
    """What ``work`` (``module:function``) makes of the content of each item, with its place, as they come. ``scheduler``: its address; empty for workers
    of our own. ValueError, in words, where there is no Dask or no scheduler."""
    with connected(scheduler, workers) as client:
        running: dict[int, Future] = {}
        waiting = deque(range(len(items)))
        while waiting or running:
            while waiting and len(running) < 2 * max(1, threads(client)) and is_there(client):
                place = waiting.popleft()
                running[place] = begun(client, content(items[place]), work, limits)
            ended = next_of(client, running)
            if isinstance(ended, Lost):
                yield from ((place, ended) for place in (*running, *waiting))
                return
            place, found = ended
            del running[place]
            yield place, found


@contextmanager
def connected(scheduler: str, workers: int) -> Iterator[Client]:
    """A client of the scheduler. ValueError, in words, where there is none."""
    try:
        from distributed import Client
    except ImportError:
        raise ValueError(
            "--engine dask wants dask.distributed, which is not installed: pip install 'distributed>=2024'"
        ) from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    if not scheduler:
        with own_workers(workers) as cluster, Client(cluster, set_as_default=False) as client:
            yield client
        return
    try:
        client = Client(scheduler, timeout=CONNECTING, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as problem:
        raise ValueError(f"--scheduler {scheduler}: there is no scheduler of Dask: {problem}") from None
    with client:
        yield client


def own_workers(workers: int) -> LocalCluster:
    """Workers in processes of this machine. Dask gives up where one of them dies while it starts: they are started once more. ValueError, in words, where
    that fails too. Two runs at once are not to want the same port, nor others to reach it."""
    from distributed import LocalCluster

    problem: Exception | None = None
    for _ in range(TRIES):
        try:
            return LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                memory_limit=0,
                silence_logs=logging.CRITICAL,
                scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            )
        except (RuntimeError, OSError) as found:
            problem = found
    raise ValueError(f"--engine dask: its workers could not be started: {problem}: try --workers 1, or --engine local")


def begun(client: Client, content: bytes, work: str, limits: Limits) -> Future:
    """Gives a task to the scheduler; the same task has the same key."""
    arguments = (content, __version__, work, limits)
    key = "analyze-" + sha256(repr((sha256(content).hexdigest(), *arguments[1:])).encode()).hexdigest()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sending large graph")
        return client.submit(on_worker, *arguments, key=key)


def on_worker(content: bytes, version: str, work: str, limits: Limits) -> bytes | Lost:
    """A task, on a worker."""
    if version != __version__:
        return Lost(f"the worker of Dask has version {__version__} of the analyzer, this is {version}: install the same")
    return isolated(content, work, limits)


def threads(client: Client) -> int:
    """How many tasks can be done at once."""
    try:
        return sum(client.nthreads().values()) if is_there(client) else 0
    except OSError:
        return 0


def is_there(client: Client) -> bool:
    """Whether the client is still connected."""
    return bool(client.status == "running")


def next_of(client: Client, running: dict[int, Future]) -> tuple[int, bytes | Lost] | Lost:
    """What came of the next task that ended, with its place; why there will be none, where nobody is left to do it."""
    since = looked = time.monotonic()
    while True:
        for place, future in running.items():
            found = result_of(future) if future.done() else None
            if found is not None:
                return place, found
        if not is_there(client):
            return GONE
        now = time.monotonic()
        if now - looked > 1:
            looked = now
            if threads(client):
                since = now
            elif now - since > PATIENCE:
                return NOBODY
        time.sleep(PAUSE)


def result_of(future: Future) -> bytes | Lost | None:
    """What came of a task that ended; None where that was lost with its worker: Dask has it done again."""
    if future.status == "finished":
        try:
            found = future.result(timeout=CONNECTING)
        except TimeoutError:
            return None
        except CancelledError:
            return GONE
        return found if isinstance(found, bytes | Lost) else Lost("the worker of Dask answered something else")
    if future.status == "error":
        problem = future.exception()
        return Lost(f"its worker of Dask failed: {type(problem).__name__}: {' '.join(str(problem).split())[:200]}")
    return GONE if future.cancelled() else None
