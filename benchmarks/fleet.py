"""``python -m benchmarks.fleet``: a capture of many nodes, read and decided cold, and again after one node has changed.

Everything runs in processes of its own, which end after ``--limit`` seconds; the capture stays in ``--output`` where that is given. Rows are those of the table
of README.md: wall seconds, CPU seconds, the largest resident size.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Timer

from benchmarks.generate import write_captures
from benchmarks.objects import Shape

ENDED, KILOBYTE = (0, 1, 3), 1024


def measured(name: str, command: tuple[str, ...], environment: Mapping[str, str], limit: int) -> str:
    """The row of a command, run in a process of its own that is killed when its time is over."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    ending = Timer(limit, process.kill)
    ending.start()
    _, status, usage = os.wait4(process.pid, 0)
    ending.cancel()
    words = "" if os.waitstatus_to_exitcode(status) in ENDED else f"not done in {limit} s"
    wall, used = time.perf_counter() - started, usage.ru_utime + usage.ru_stime
    return f"| {name} | {wall:.1f} | {used:.1f} | {usage.ru_maxrss / KILOBYTE:.0f} | {words} |"


def rows(folder: Path, size: str, environment: Mapping[str, str], limit: int) -> Iterator[str]:
    """What is measured, one after the other."""
    answered = (sys.executable, "-m", "analyzer", "check", str(folder), "-q")
    question = (sys.executable, "-m", "benchmarks.question", str(folder))
    yield measured(f"{size}: read", (*question, "read"), environment, limit)
    for one in ("pod-to-pod", "node-to-pod", "pod-to-service"):
        yield measured(f"{size}: {one}", (*question, one), environment, limit)
    yield measured(
        f"{size}: read, and again after a change on one node, as --watch does", (*question, "again"), environment, limit
    )
    yield measured(f"{size}: everything, cold", answered, environment, limit)
    with (folder / "nodes" / "n0" / "ip_neigh").open("a") as file:
        file.write("192.168.0.1 dev eth0 lladdr 02:ff:00:00:00:01 REACHABLE\n")
    yield measured(f"{size}: everything, after a change on one node", answered, environment, limit)


def main() -> None:
    """Writes the capture and prints what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=500)
    parser.add_argument("--pods", type=int, default=20_000)
    parser.add_argument("--services", type=int, default=5_000)
    parser.add_argument("--faults", type=float, default=Shape().faults, help="the part of the nodes that has a fault")
    parser.add_argument("--limit", type=int, default=1_800, metavar="SECONDS")
    parser.add_argument("--output", type=Path, metavar="DIR")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.output or Path(temporary) / "capture"
        write_captures(folder, Shape(options.nodes, options.pods, options.services, faults=options.faults))
        environment = {**os.environ, "XDG_CACHE_HOME": str(Path(temporary) / "cache"), "PYTHONDONTWRITEBYTECODE": ""}
        size = f"{options.nodes:,} nodes, {options.pods:,} pods, {options.services:,} services"
        for row in rows(folder, size, environment, options.limit):
            print(row, flush=True)


if __name__ == "__main__":
    main()
