"""Measures questions about policies on a generated cluster, once it is loaded: ``python -m benchmarks.ask [S|M|L]``.

Each kind of question is asked many times of names drawn from a seed; what is printed are the median, the 95th percentile and the largest CPU time.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable
from random import Random

from analyzer.memory import without_cycles
from analyzer.query.ask import Asker, answer, asker_of, parse
from analyzer.query.policies import policies
from benchmarks.policies import SIZES, Shape, cluster

PORTS = ("80", "443", "5432", "8080", "53/UDP")
KINDS: tuple[tuple[str, str, int], ...] = (
    ("can one pod reach another on a port", "can {pod} reach {other} on {port}", 500),
    ("a namespace is isolated from another", "ns:{space} is isolated from ns:{second}", 500),
    ("a namespace cannot reach another but on 443", "ns:{space} cannot reach ns:{second} on {port}", 500),
    ("only a namespace reaches a pod on a port", "only ns:{space} reaches {other} on {port}", 50),
    ("a pod reaches only a namespace", "{pod} reaches only ns:{second}", 50),
    ("any pod in a namespace against a pod", "any pod in ns:{space} cannot reach {other} on {port}", 100),
    ("any pod that could ever be created against a pod", "any pod cannot reach {other} on {port}", 40),
    ("any new namespace against a pod", "any new namespace cannot reach {other} on {port}", 40),
    ("any change of a pod's labels against a pod", "any label change of {pod} cannot reach {other}", 40),
    ("which policies decide between two pods", "which policies decide {pod} to {other}", 100),
    ("at most three hops to a pod", "can outside reach {other} in at most 3 hops on {port}", 10),
    ("a pair that talks in one direction only", "is there a pair that can talk in one direction only on {port}", 5),
)


def names(shape: Shape, random: Random) -> dict[str, str]:
    """Names of two namespaces and two pods, and a port."""
    first, second = random.sample(range(shape.namespaces), 2)
    pods = [
        f"ns{space}/app{index % shape.applications}-{index}"
        for space, index in ((first, random.randrange(10)), (second, random.randrange(10)))
    ]
    return {"space": f"ns{first}", "second": f"ns{second}", "pod": pods[0], "other": pods[1], "port": random.choice(PORTS)}


def measured(known: Asker, make: Callable[[], str], count: int) -> tuple[list[float], list[float], Counter[str]]:
    """The times of answers and of reading the questions, in seconds, and the verdicts."""
    times, reading, verdicts = [], [], Counter[str]()
    for _ in range(count):
        text = make()
        started = time.process_time()
        question = parse(text)
        read = time.process_time()
        found = answer(known, text, question)
        times.append(time.process_time() - read)
        reading.append(read - started)
        verdicts[str(found.verdict)] += 1
    return sorted(times), sorted(reading), verdicts


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", choices=sorted(SIZES), nargs="?", default="M")
    parser.add_argument("--only", default="", help="kinds of questions with this text")
    options = parser.parse_args()
    shape = SIZES[options.size]
    with without_cycles():
        known = asker_of(policies(cluster(shape)))
        known.policies.factors(4)
        known.names  # noqa: B018
        parse("can a reach b")
    print("| question | median ms | 95th ms | largest ms | verdicts |\n|---|---|---|---|---|")
    read: list[float] = []
    for what, text, count in KINDS:
        if options.only not in what:
            continue
        random = Random(what)
        times, reading, verdicts = measured(known, lambda text=text, random=random: text.format(**names(shape, random)), count)  # type: ignore[misc]
        told = ", ".join(f"{number} {verdict}" for verdict, number in sorted(verdicts.items()))
        print(
            f"| {what} | {1e3 * times[len(times) // 2]:.2f} | {1e3 * times[len(times) * 95 // 100]:.2f} | {1e3 * times[-1]:.2f} | {told} |",
            flush=True,
        )
        read += reading
    print(f"\nReading a question: {1e3 * sorted(read)[len(read) // 2]:.2f} ms in the median.")


if __name__ == "__main__":
    main()
