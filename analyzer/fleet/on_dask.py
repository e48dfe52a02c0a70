"""Tasks on a Dask cluster: a scheduler that is named, or workers of our own in processes of this machine.

What a task reads goes with it, so that workers need no files. A task's key is the hash of its content: two runs at once on one scheduler share what is the same.
Dask gives the tasks of a worker that died to another one; a running task cannot be stopped by Dask, so that each has a process of its own (``child``).
"""

from __future__ import annotations

import logging
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from analyzer import __version__
from analyzer.fleet.child import isolated
from analyzer.fleet.limits import Limits, Lost

if TYPE_CHECKING:
    from distributed import Client, Future

Item = TypeVar("Item")
PATIENCE = 30.0
GONE = Lost("the scheduler of Dask went away")
NOBODY = Lost(f"no worker of Dask was there for {PATIENCE:g} s")


def run(
    items: Sequence[Item], content: Callable[[Item], bytes], work: str, workers: int, limits: Limits, scheduler: str = ""
) -> Iterator[tuple[int, bytes | Lost]]:
    """What ``work`` (``module:function``) makes of the content of each item, with its place, as they come. ``scheduler``: its address; empty for workers
    of our own. ValueError, in words, where there is no Dask or no scheduler."""
    with connected(scheduler, workers) as client:
        done: SimpleQueue[Future] = SimpleQueue()
        running: dict[str, tuple[int, Future]] = {}
        waiting = deque(range(len(items)))
        while waiting or running:
            while waiting and len(running) < 2 * max(1, threads(client)) and is_there(client):
                place = waiting.popleft()
                future = begun(client, content(items[place]), work, limits)
                running[future.key] = (place, future)
                future.add_done_callback(done.put)
            ended = next_of(client, done)
            if isinstance(ended, Lost):
                yield from ((place, ended) for place in (*(place for place, _ in running.values()), *waiting))
                return
            place, _ = running.pop(ended.key)
            yield place, result_of(ended)


@contextmanager
def connected(scheduler: str, workers: int) -> Iterator[Client]:
    """A client of the scheduler. ValueError, in words, where there is none."""
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise ValueError(
            "--engine dask wants dask.distributed, which is not installed: pip install 'distributed>=2024'"
        ) from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    if not scheduler:
        with (
            LocalCluster(
                n_workers=workers, threads_per_worker=1, dashboard_address=None, memory_limit=0, silence_logs=logging.CRITICAL
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client
        return
    try:
        client = Client(scheduler, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as problem:
        raise ValueError(f"--scheduler {scheduler}: there is no scheduler of Dask: {problem}") from None
    with client:
        yield client


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
    return sum(client.nthreads().values()) if is_there(client) else 0


def is_there(client: Client) -> bool:
    """Whether the client is still connected."""
    return bool(client.status == "running")


def next_of(client: Client, done: SimpleQueue[Future]) -> Future | Lost:
    """The next task that ended; why there will be none, where nobody is left to do it."""
    since = time.monotonic()
    while True:
        try:
            return done.get(timeout=1)
        except Empty:
            if not is_there(client):
                return GONE
            if threads(client):
                since = time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                return NOBODY


def result_of(future: Future) -> bytes | Lost:
    """What came of a task."""
    if future.status == "finished":
        found = future.result()
        return found if isinstance(found, bytes | Lost) else Lost("the worker of Dask answered something else")
    if future.status == "error":
        problem = future.exception()
        return Lost(f"its worker of Dask failed: {type(problem).__name__}: {' '.join(str(problem).split())[:200]}")
    return GONE
