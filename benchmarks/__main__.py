"""``python -m benchmarks``: measures each workload in a process of its own and rewrites the table of README.md.

Times are CPU seconds of the whole process (user and system, children included) and wall seconds; memory is the largest resident size.
Programs start from bytecode, as installed ones do: a command that is not large is run once before it is measured.
``--quick`` leaves the large workloads out; ``--keep DIR`` keeps the captures.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.balanced import balanced
from benchmarks.capture import Shape, write
from benchmarks.cilium import programmed
from benchmarks.members import members
from benchmarks.policies import Shape as Policies
from benchmarks.policies import text
from benchmarks.switch import switch

README = Path(__file__).parent / "README.md"
ANALYZE = (sys.executable, "-m", "analyzer")


@dataclass(frozen=True, slots=True)
class Workload:
    """What is measured: a name, the command, the wanted wall time and memory in MB (0: none), and the shape of the capture."""

    name: str
    command: tuple[str, ...]
    seconds: float
    megabytes: int
    large: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured."""

    wall: float
    cpu: float
    megabytes: float


def workloads(folder: Path) -> Iterator[Workload]:
    """The workloads, the captures that they read written first."""
    small, twenty = folder / "small", folder / "twenty"
    write(small, Shape(2, 3, 10, 2))
    yield Workload("`analyze --help`", (*ANALYZE, "--help"), 0.1, 0)
    yield Workload("`analyze trace` of one packet, 2 nodes", (*ANALYZE, "trace", str(small), *QUESTION, "-q"), 0.4, 0)
    yield from about_policies(folder)
    write(twenty, Shape(20, 10, 1000, 2))
    yield Workload("all guarantees, 20 nodes, 200 pods, 1,000 services", (*ANALYZE, str(twenty), "-q", "--no-cache"), 10, 0)
    yield from large(folder)


def large(folder: Path) -> Iterator[Workload]:
    """The workloads on nodes with many services, of each of their kinds."""
    one, native, ipvs, switched, cilium, asked, three = (
        folder / name for name in ("one", "native", "ipvs", "switch", "cilium", "members", "three")
    )
    write(one, Shape(1, 10, 10_000, 5))
    yield proof("one node, 10,000 services, 50,000 endpoints", one, 4, 500)
    yield every_path("the same node", one, 5)
    yield Workload("the same node: reading alone", (*PROVE, str(one), "read"), 0, 0, True)
    traces = "the same node: 1,000 traces of one packet to a service, once it is read"
    yield Workload(traces, (*PROVE, str(one), "trace"), 0, 0, True)
    write(native, Shape(1, 10, 10_000, 2, native=True))
    yield proof("one node, 10,000 services in kube-proxy's nftables mode (40,000 elements)", native, 5, 1000)
    yield every_path("the same node", native, 5)
    balanced(ipvs, Shape(1, 10, 10_000, 2, native=True))
    yield proof("one node, 10,000 services in kube-proxy's IPVS mode", ipvs, 5, 1000)
    yield every_path("the same node", ipvs, 5)
    switch(switched, 50_000)
    yield proof("one node, 50,000 flows of Open vSwitch", switched, 5, 1000)
    programmed(cilium, 10_000, 20_000)
    yield proof("two nodes, each with 10,000 services and 20,000 addresses in Cilium's maps", cilium, 5, 1000)
    yield every_path("the same nodes", cilium, 5)
    members(asked, 20_000)
    yield proof("one node, 20,000 members of IP sets", asked, 5, 1000)
    write(three, Shape(3, 10, 10_000, 5))
    yield proof("three such nodes", three, 6)
    for services in (1000, 2000, 4000, 8000):
        curve = folder / f"curve-{services}"
        write(curve, Shape(3, 10, services, 5))
        yield Workload(f"the curve: 3 nodes, {services:,} services", (*PROVE, str(curve), "pod-to-pod-without-nat"), 0, 0, True)


def proof(what: str, capture: Path, seconds: float = 0, megabytes: int = 0) -> Workload:
    """Reading a capture, and the proof that pods reach each other without NAT."""
    command = (*PROVE, str(capture), "pod-to-pod-without-nat")
    return Workload(f"{what}: read and prove pod-to-pod without NAT", command, seconds, megabytes, True)


def every_path(what: str, capture: Path, seconds: float = 0) -> Workload:
    """Every path from the pods to every service of a capture."""
    return Workload(
        f"{what}: every path from the pods to every service", (*PROVE, str(capture), "pod-to-service"), seconds, 0, True
    )


def about_policies(folder: Path) -> Iterator[Workload]:
    """The workloads on manifests with policies."""
    before, after = folder / "policies.yaml", folder / "policies-changed.yaml"
    before.write_text("".join(text(Policies(1_200, 100, 900))))
    after.write_text(before.read_text().replace("port: 8080", "port: 8081", 1))
    size = "1,200 pods, 900 policies"
    yield Workload(f"`analyze connectivity`, {size}", (*ANALYZE, "connectivity", str(before), "-q"), 1, 0)
    yield Workload(f"`analyze check`, {size}: every redundant rule too", (*ANALYZE, str(before), "-q", "--no-cache"), 0, 0)
    yield Workload(f"`analyze diff`, {size}, one port changed", (*ANALYZE, "diff", str(before), str(after), "-q"), 0, 0)
    compiling = (sys.executable, "-m", "benchmarks.policies")
    yield Workload("10,000 pods, 2,000 policies, as objects: made and compiled", (*compiling, "M"), 0, 0)
    yield Workload("100,000 pods, 10,000 policies, as objects: made and compiled", (*compiling, "L"), 0, 0, True)


QUESTION = ("--from", "default/p0-0", "--to", "default/p1-0", "--port", "8080/TCP")
PROVE = (sys.executable, "-m", "benchmarks.question")


def measure(command: tuple[str, ...], environment: Mapping[str, str]) -> Measured:
    """Runs a command in a process of its own."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    if os.waitstatus_to_exitcode(status) not in (0, 1, 3):
        text = process.stderr.read().decode(errors="replace") if process.stderr else ""
        raise SystemExit(f"{' '.join(command)} failed:\n{text}")
    return Measured(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def row(workload: Workload, measured: Measured) -> str:
    """A line of the table."""
    wanted = f"{workload.seconds:g} s" if workload.seconds else ""
    wanted += f", {workload.megabytes} MB" if workload.megabytes else ""
    return f"| {workload.name} | {measured.wall:.2f} | {measured.cpu:.2f} | {measured.megabytes:.0f} | {wanted} |"


def main() -> None:
    """Measures and rewrites the README."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(Path(temporary) / "bytecode"), "PYTHONDONTWRITEBYTECODE": ""}
        for workload in workloads(options.keep or Path(temporary)):
            if options.quick and workload.large:
                continue
            if not workload.large:
                measure(workload.command, environment)
            rows.append(row(workload, measure(workload.command, environment)))
            print(rows[-1], flush=True)
    if not options.quick:
        README.write_text(page(rows))


def page(rows: list[str]) -> str:
    """The README: how it was measured, the table, and the notes below the table that are kept."""
    old = README.read_text() if README.exists() else ""
    notes = old.partition("\n## Notes\n")[2]
    head = f"""# Measurements

`python -m benchmarks` writes this table: each workload in a fresh process, single runs, on {os.cpu_count()} cores
({platform.machine()}), Python {platform.python_version()}. The captures are made by `benchmarks/capture.py` (deterministic).
"Wanted" is what the project set itself.

| workload | wall s | CPU s | largest MB | wanted |
|---|---|---|---|---|
"""
    return head + "\n".join(rows) + "\n\n## Notes\n" + notes


if __name__ == "__main__":
    main()
