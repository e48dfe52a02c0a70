"""``python -m benchmarks.question CAPTURE QUESTION``: one guarantee alone, ``read``, or ``trace``: what the runner measures in a process of its own."""

from __future__ import annotations

import sys
import time

from analyzer.memory import without_cycles
from analyzer.pipeline import read_input
from analyzer.query.guarantees import decide
from analyzer.query.trace import Question, trace


def main() -> None:
    """Reads the capture, answers the question, prints the answer and the seconds of each part."""
    path, question = sys.argv[1:3]
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


if __name__ == "__main__":
    main()
