"""``python -m benchmarks.cost``: what the answers cost against the size of what is asked about, and rewrites that part of README.md.

One size grows at a time, by doubling; each size is answered in a process of its own (``--of FOLDER``: all of ``analyze check`` in one process, without the
cache, its report written as JSON). Times are CPU seconds; a row has the share of each stage, the exponent of its curve over the row before, and, as the floor,
what reading the same bytes, hashing them, and ``json.loads`` of those that are JSON take. ``--quick`` takes the two smallest of each.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from math import log
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

from analyzer.pipeline import analyze, read_input
from analyzer.report import format_named
from analyzer.report.style import Style
from benchmarks import capture, generate, objects

README, START, END = Path(__file__).parent / "README.md", "### Cost against size\n", "\n### "
STAGES = {
    "reading files": "files",
    "parsing": "facts",
    "building the network": "network",
    "deciding the guarantees": "guarantees",
    "explaining": "causes",
    "checking the rules": "rules",
}
NODES, OBJECTS = capture.Shape(8, 20, 500, 2), objects.Shape(200, 10_000, 1_000, 1_000)
KILOBYTE, MEGABYTE = 1024, 1 << 20


@dataclass(frozen=True, slots=True)
class Cost:
    """What one answer cost: CPU seconds by stage, the largest MB, the size of the input in MB, its lines, and the floor: CPU seconds to read, hash and load."""

    stages: dict[str, float]
    megabytes: float
    size: float
    lines: int
    floor: tuple[float, float, float]

    @property
    def seconds(self) -> float:
        """All stages."""
        return sum(self.stages.values())


@dataclass(frozen=True, slots=True)
class Curve:
    """One size that grows: its name, the values, and what writes the input of a value."""

    name: str
    values: tuple[int, ...]
    write: Callable[[Path, int], None]


def captured(made: Callable[[int], capture.Shape]) -> Callable[[Path, int], None]:
    """Writes the state of nodes of the shape that a value makes."""
    return lambda folder, value: capture.write(folder, made(value))


def stated(made: Callable[[int], objects.Shape]) -> Callable[[Path, int], None]:
    """Writes the objects of a cluster of the shape that a value makes."""
    return lambda folder, value: generate.write(folder, made(value))


CURVES = (
    Curve("captured nodes, of 20 pods", (8, 16, 32, 64), captured(lambda value: replace(NODES, nodes=value))),
    Curve("pods of each of 8 nodes", (20, 40, 80, 160), captured(lambda value: replace(NODES, pods=value))),
    Curve("services on 8 nodes", (500, 1_000, 2_000, 4_000), captured(lambda value: replace(NODES, services=value))),
    Curve(
        "endpoints of each of 500 services on 8 nodes (rules)",
        (2, 4, 8, 16),
        captured(lambda value: replace(NODES, endpoints=value)),
    ),
    Curve("nodes, as objects", (200, 400, 800, 1_600), stated(lambda value: replace(OBJECTS, nodes=value))),
    Curve("pods, as objects", (10_000, 20_000, 40_000, 80_000), stated(lambda value: replace(OBJECTS, pods=value))),
    Curve("services, as objects", (1_000, 2_000, 4_000, 8_000), stated(lambda value: replace(OBJECTS, services=value))),
    Curve("policies, as objects", (1_000, 2_000, 4_000, 8_000), stated(lambda value: replace(OBJECTS, policies=value))),
)


class Clock:
    """Progress that notes when each stage began, in CPU seconds of this process."""

    def __init__(self) -> None:
        self.began: list[tuple[str, float]] = [("files", time.process_time())]

    def __call__(self, what: str, *_: object) -> None:
        """Notes a stage, where it is another than the last."""
        stage = STAGES.get(what, self.began[-1][0])
        if stage != self.began[-1][0]:
            self.began.append((stage, time.process_time()))

    def spent(self) -> dict[str, float]:
        """CPU seconds by stage."""
        ends = [began for _, began in self.began[1:]] + [time.process_time()]
        found: dict[str, float] = {}
        for (stage, began), end in zip(self.began, ends, strict=True):
            found[stage] = found.get(stage, 0.0) + end - began
        return found


def answered(folder: Path) -> Cost:
    """Answers everything about a folder in this process."""
    clock = Clock()
    report = analyze(read_input((str(folder),), progress=clock), progress=clock)
    clock.began.append(("report", time.process_time()))
    format_named("json").write(report, Style())
    stages, largest = clock.spent(), getrusage(RUSAGE_SELF).ru_maxrss / KILOBYTE
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    texts = [path.read_bytes() for path in files]
    lines = sum(text.count(b"\n") for text in texts)
    return Cost(stages, largest, sum(map(len, texts)) / MEGABYTE, lines, floor(files))


def floor(files: Sequence[Path]) -> tuple[float, float, float]:
    """CPU seconds to read the files, to hash what they have, and to load what is JSON of it."""
    texts: list[bytes] = []
    loaded = [path.suffix == ".json" for path in files]
    read = timed(lambda: texts.extend(path.read_bytes() for path in files))
    hashed = timed(lambda: [sha256(text).digest() for text in texts])
    return read, hashed, timed(lambda: [json.loads(text) for text, json_text in zip(texts, loaded, strict=True) if json_text])


def timed(work: Callable[[], object]) -> float:
    """CPU seconds that work takes."""
    started = time.process_time()
    work()
    return time.process_time() - started


def elsewhere(folder: Path) -> Cost:
    """Answers everything about a folder in a process of its own."""
    told = subprocess.run((sys.executable, "-m", "benchmarks.cost", "--of", str(folder)), check=True, capture_output=True)
    found = json.loads(told.stdout)
    return Cost(**{**found, "floor": tuple(found["floor"])})


def rows(curve: Curve, number: int) -> Iterator[str]:
    """The rows of a curve: the first ``number`` of its values."""
    before: tuple[int, Cost] | None = None
    for value in curve.values[:number]:
        with tempfile.TemporaryDirectory() as temporary:
            curve.write(Path(temporary), value)
            cost = elsewhere(Path(temporary))
        yield row(curve.name, value, cost, before)
        before = value, cost


def row(name: str, value: int, cost: Cost, before: tuple[int, Cost] | None) -> str:
    """A row of the table: what grows, its size, the cost with its exponents over the row before, the shares of the stages, and the floor."""
    time_power, memory_power = powers(value, cost, before)
    cells = (
        f"{name}: {value:,}",
        f"{cost.size:.1f}",
        f"{cost.lines:,}",
        f"{cost.seconds:.1f}",
        time_power,
        f"{cost.megabytes:.0f}",
        memory_power,
        shares(cost),
        " / ".join(f"{part:.2f}" for part in cost.floor),
    )
    return f"| {' | '.join(cells)} |"


def powers(value: int, cost: Cost, before: tuple[int, Cost] | None) -> tuple[str, str]:
    """The exponents of time and memory between a row and the one before; nothing for a first row."""
    if before is None:
        return "", ""
    step = log(value / before[0])
    return f"{log(cost.seconds / before[1].seconds) / step:.2f}", f"{log(cost.megabytes / before[1].megabytes) / step:.2f}"


def shares(cost: Cost) -> str:
    """The share of each stage, in percent; what takes less than one is left out."""
    found = {stage: round(100 * spent / cost.seconds) for stage, spent in cost.stages.items()}
    return ", ".join(f"{stage} {part}" for stage, part in found.items() if part)


HEAD = f"""
`python -m benchmarks.cost` writes this table: all of `analyze check -f json --jobs 1 --no-cache`, each size in a process of its own. The captures are of
{NODES.nodes} nodes, {NODES.pods} pods on each, {NODES.services} services of {NODES.endpoints} endpoints, where the first column does not say otherwise; the objects of
{OBJECTS.nodes} nodes, {OBJECTS.pods:,} pods, {OBJECTS.services:,} services and {OBJECTS.policies:,} policies. An exponent is that of time, or of memory, over the row before. The floor is what
the same bytes take to be read, hashed and, of JSON alone, loaded by `json.loads`.

| what grows | MB | lines | CPU s | exponent | largest MB | exponent | shares of the stages, % | floor: read / hash / json.loads, CPU s |
|---|---|---|---|---|---|---|---|---|
"""


def page(found: list[str]) -> str:
    """README.md with its part about cost written anew; all other parts are kept."""
    before, _, rest = README.read_text(encoding="utf-8").partition(START)
    return f"{before}{START}{HEAD}{chr(10).join(found)}\n{END}{rest.partition(END)[2]}"


def main() -> None:
    """Measures every curve and rewrites the README; or answers one folder, as a child of that."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--of", type=Path, metavar="FOLDER")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.of:
        print(json.dumps(asdict(answered(options.of))))
        return
    os.environ["PYTHONDONTWRITEBYTECODE"] = ""
    found = []
    for curve in CURVES:
        for text in rows(curve, 2 if options.quick else len(curve.values)):
            found.append(text)
            print(text, flush=True)
    if not options.quick:
        README.write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
