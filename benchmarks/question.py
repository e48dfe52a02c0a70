"""``python -m benchmarks.question CAPTURE QUESTION``: one guarantee alone, ``read``, ``again`` or ``trace``: what the runner measures in a process of its own.

``again`` reads a capture of ``benchmarks.generate`` twice, as ``--watch`` does, with a line more on one node between, which stays.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from analyzer.capture import load
from analyzer.capture.again import Again
from analyzer.memory import without_cycles
from analyzer.pipeline import built, read_input
from analyzer.query.guarantees import decide
from analyzer.query.trace import Question, trace


def main() -> None:
    """Reads the capture, answers the question, prints the answer and the seconds of each part."""
    path, question = sys.argv[1:3]
    if question == "again":
        again(Path(path))
        return
    started = time.perf_counter()
    given = read_input((path,))
    read = time.perf_counter() - started
    started = time.perf_counter()
    if question == "trace":
        answers = {
            trace(given.network, Question("default/p0-0", f"10.96.{i % 30}.{10 + i % 200}", port=80, protocol="TCP")).fate
            for i in range(1000)
        }
        print(answers)
    elif question != "read":
        with without_cycles():
            decided = decide(given.network, only=(question,))
        for guarantee in decided.guarantees:
            print(guarantee.id, guarantee.verdict, guarantee.scope, guarantee.reason)
    print(f"read {read:.2f} s, answered in {time.perf_counter() - started:.2f} s", file=sys.stderr)


def again(capture: Path) -> None:
    """Looks at a capture, writes a line to a file of one node, and looks again; prints the CPU seconds of each look."""
    known = Again()
    for change in ("", "192.168.0.1 dev eth0 lladdr 02:ff:00:00:00:01 REACHABLE\n"):
        with (capture / "nodes" / "n0" / "ip_neigh").open("a") as file:
            file.write(change)
        started = time.process_time()
        built(load((str(capture),), again=known), again=known)
        print(f"read in {time.process_time() - started:.2f} CPU seconds", file=sys.stderr)


if __name__ == "__main__":
    main()
