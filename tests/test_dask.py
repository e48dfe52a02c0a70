"""Workers of Dask that are killed while they start, work, or have a result: the answer is whole, and the same."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from analyzer.__main__ import main
from analyzer.fleet.limits import Limits
from benchmarks.generate import main as generate

pytest.importorskip("distributed", reason="dask.distributed is not installed: the engine dask is not tried")
pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="which processes there are is looked up in /proc"),
]
NODES = ["--nodes", "2", "--pods", "2", "--services", "1", "--captures", "--faults", "1"]
WORKER = b"spawn_main"
TASK = b"analyzer.fleet.child"


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A captured cluster with faults."""
    folder = tmp_path_factory.mktemp("clusters")
    generate([*NODES, "--clusters", "1", "--output", str(folder)])
    return folder


def children(process: int) -> Iterator[tuple[int, bytes]]:
    """The processes that a process started, with their command lines."""
    try:
        found = " ".join(path.read_text() for path in Path(f"/proc/{process}/task").glob("*/children"))
        yield from ((int(child), Path(f"/proc/{child}/cmdline").read_bytes()) for child in found.split())
    except OSError:
        return


def starting() -> list[int]:
    """Workers of this process."""
    return [process for process, command in children(os.getpid()) if WORKER in command]


def working() -> list[int]:
    """Workers of this process that have a task."""
    return [worker for worker in starting() if any(TASK in command for _, command in children(worker))]


@contextmanager
def killed(which: Callable[[], list[int]], many: int = 1) -> Iterator[list[int]]:
    """Kills so many of these, once they are there."""
    found: list[int] = []
    over = threading.Event()

    def kill() -> None:
        while len(found) < many and not over.is_set():
            for process in [one for one in which() if one not in found][: many - len(found)]:
                os.kill(process, signal.SIGKILL)
                found.append(process)
            time.sleep(0.005)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def fleet(clusters: Path, *more: str) -> int:
    return main(["fleet", str(clusters), "--each", "-q", "--workers", "2", "--parts", "2", "-f", "json", *more])


def test_a_worker_that_is_killed_with_a_part_loses_nothing(clusters: Path, capfd: pytest.CaptureFixture[str]) -> None:
    wanted = fleet(clusters), capfd.readouterr().out
    with killed(working) as found:
        told = fleet(clusters, "--engine", "dask")
    output = capfd.readouterr()
    assert found
    assert (told, output.out) == wanted
    assert output.err == ""


def echoed(many: int) -> dict[int, Any]:
    """What workers of our own answer."""
    from analyzer.fleet import on_dask

    items = [b"%d" % number for number in range(many)]
    return dict(on_dask.run(items, lambda item: item, "tests.fleet_work:slow", 2, Limits(60)))


@pytest.mark.parametrize(("which", "many"), [(starting, 1), (working, 2)])
def test_workers_that_are_killed_are_replaced(which: Callable[[], list[int]], many: int) -> None:
    with killed(which, many) as found:
        assert echoed(4) == {number: b"%d" % number for number in range(4)}
    assert len(found) == many


def test_a_result_that_died_with_its_worker_is_made_again() -> None:
    from analyzer.fleet import on_dask

    with on_dask.connected("", 2) as client:
        running = {place: on_dask.begun(client, b"%d" % place, "tests.fleet_work:echo", Limits(60)) for place in (3, 5)}
        while not all(future.done() for future in running.values()):
            time.sleep(0.01)
        for worker in client.run(os.getpid).values():
            os.kill(worker, signal.SIGKILL)
        found = {}
        while running:
            ended = on_dask.next_of(client, running)
            assert isinstance(ended, tuple)
            found[ended[0]] = ended[1]
            del running[ended[0]]
    assert found == {3: b"3", 5: b"5"}


def test_equal_content_is_an_answer_for_each() -> None:
    from analyzer.fleet import on_dask

    with on_dask.connected("", 1) as client:
        address = client.scheduler.address
        found = dict(on_dask.run([b"a", b"a"], lambda item: item, "tests.fleet_work:echo", 1, Limits(60), address))
    assert found == {0: b"A", 1: b"A"}


def test_a_task_ends_with_the_process_that_wants_it(tmp_path: Path) -> None:
    started = tmp_path / "started"
    reader, writer = os.pipe()
    code = f"from analyzer.fleet.child import isolated; from analyzer.fleet.limits import Limits; isolated({str(started).encode()!r}, 'tests.fleet_work:waits', Limits(60))"
    worker = os.posix_spawn(
        sys.executable, [sys.executable, "-c", code], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, writer, 2)]
    )
    os.close(writer)
    while not started.exists():
        time.sleep(0.01)
    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)
    with os.fdopen(reader) as told:
        assert told.read() == ""
