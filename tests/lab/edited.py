"""Commands on nodes as edits of a capture, held against the kernel: ``python -m tests.lab.edited --seed N --networks M``.

A network is captured, then broken. What ``whatif --node-run`` makes of the capture by the commands that broke it has to predict what packets do then.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from analyzer.api import Capture, load
from analyzer.query.whatif.edits import EditError, NodeRun
from analyzer.solve.packet import Trace
from tests.lab import breakages, compare, probes, scenarios
from tests.lab.build import Lab, build
from tests.lab.capture import capture, settle
from tests.lab.compare import Tally
from tests.lab.machine import CommandError, Machine
from tests.lab.run import PATIENCE, TIMEOUT, count

ASKS = re.compile(r"\s*(ip|bridge|ipset|nft|iptables|conntrack|tc|sysctl)\b[^;|&]*\b(show|save|list|get|-S|-L)\b[^;|&]*")
"""Commands that change nothing."""
FORGIVEN = re.compile(r"\|\| (true|exit 0)")


@dataclass(slots=True)
class Edited:
    """What came of networks: predictions, and the commands that are not understood."""

    tally: Tally = field(default_factory=Tally)
    refused: Counter[str] = field(default_factory=Counter)


def one(name: str, seed: int, found: Edited, limit: int = 64, named: tuple[str, ...] = ()) -> None:
    """One network: captured, broken by one breakage or those ``named``, and asked."""
    scenario, random = scenarios.scenario(name), Random(f"{name} {seed}")
    with Machine() as machine, tempfile.TemporaryDirectory(prefix="lab-") as folder:
        pods = scenarios.pods(scenario, random)
        lab = build(machine, scenario, pods, scenarios.services(scenario, pods, random), random.randrange(1 << 30))
        settle(lab)
        capture(lab, Path(folder))
        lab.said = []
        if not broken(lab, random, named):
            return
        edited = after(lab, load(folder))
        if isinstance(edited, str):
            found.refused[edited] += 1
            return
        held(lab, edited, probes.choose(lab, random, limit), seed, found.tally)


def broken(lab: Lab, random: Random, named: tuple[str, ...]) -> bool:
    """Breaks the network; whether all of that could be done here."""
    fitting = [one for one in breakages.BREAKAGES if one.fits(lab.scenario)]
    chosen = [one for one in fitting if one.name in named] if named else [random.choice(fitting)]
    for item in chosen:
        lab.broken.append(item.name)
        try:
            item.apply(lab, random)
        except CommandError:
            return False
    return bool(chosen)


def after(lab: Lab, loaded: Capture) -> Capture | str:
    """The capture after what was done; else why that is not understood."""
    places = {pod.key: f"{pod.node}/{Path(pod.netns).name}" for pod in lab.pods if pod.netns}
    said, lab.said = lab.said or [], None
    edits = []
    for where, script, text in said:
        if text:
            return f"{script} with a text"
        if not ASKS.fullmatch(script):
            edits.append(NodeRun(places.get(where, where), FORGIVEN.sub("", script).strip()))
    try:
        return loaded.whatif(*edits).after
    except EditError as problem:
        return str(problem)


def held(lab: Lab, edited: Capture, chosen: list[probes.Probe], seed: int, tally: Tally) -> None:
    """Sends the packets and holds what was predicted of them against what became of them; again, with patience, where these differ."""
    settle(lab)
    results = probes.send(lab, chosen, TIMEOUT)
    told: list[Trace] = [compare.predict(edited, probe) for probe in chosen]
    doubted = [place for place, trace in enumerate(told) if compare.judge(trace, chosen[place], results[place]) == "wrong"]
    for place in doubted:
        settle(lab)
        results[place] = probes.send(lab, [chosen[place]], PATIENCE)[0]
    count(lab, seed, told, chosen, results, Path(), tally)


def main() -> int:
    """Networks of successive seeds; the exit status is 1 where a prediction was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--networks", type=int, default=20)
    parser.add_argument("--scenario", action="append")
    parser.add_argument("--break", dest="named", action="append", default=[])
    given = parser.parse_args()
    found, names = Edited(), given.scenario or [scenario.name for scenario in scenarios.SCENARIOS]
    for seed in range(given.seed, given.seed + given.networks):
        before = len(found.tally.wrong)
        one(Random(seed).choice(names), seed, found, named=tuple(given.named))
        print(*found.tally.wrong[before:], sep="\n", end="", flush=True)
    print(found.tally)
    for text, times in sorted(found.refused.items()):
        print(f"  {times} not understood: {text}")
    return 1 if found.tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
