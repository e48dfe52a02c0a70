"""One round of the lab: build, break, capture, predict, send, compare."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from analyzer.api import Capture, load
from analyzer.findings import Guarantee
from analyzer.query.guarantees import decide
from analyzer.solve.packet import Trace
from analyzer.transfer.graph import NetworkProgram
from tests.lab import breakages, compare, engines, entries, policy_check, probes, record, scenarios, service_check
from tests.lab.build import Lab, build
from tests.lab.capture import capture, settle
from tests.lab.compare import Tally
from tests.lab.machine import CommandError, Machine
from tests.lab.plan import Scenario
from tests.lab.probes import Probe, Result

TIMEOUT, PATIENCE, ALONE = 0.4, 1.5, 40


@dataclass(frozen=True, slots=True)
class Options:
    """How a round goes: ``limit`` probes for each network, at ``most`` so many breakages or those ``named``, ``keep`` the capture of
    one that was predicted wrong, ``truth``: where to record what the kernel did, ``engines``: hold the lowered language and the verdicts
    on the guarantees against the kernel too."""

    limit: int = 200
    most: int = 3
    named: tuple[str, ...] | None = None
    keep: bool = False
    truth: Path | None = None
    engines: bool = False
    label: str = ""


def run(scenario: Scenario, seed: int, tally: Tally, options: Options) -> None:
    """Builds the network of a scenario and a seed, and adds what came of it to the tally."""
    random = Random(f"{scenario.name} {seed}")
    folder = Path(tempfile.mkdtemp(prefix="lab-"))
    try:
        with Machine() as machine:
            pods = scenarios.pods(scenario, random)
            lab = build(machine, scenario, pods, scenarios.services(scenario, pods, random), random.randrange(1 << 30))
            damage(lab, random, options)
            kept = examine(lab, random, seed, folder, tally, options)
    finally:
        if not (options.keep and "kept" in locals() and kept):
            shutil.rmtree(folder, ignore_errors=True)


def damage(lab: Lab, random: Random, options: Options) -> None:
    """Breaks the network; what this machine cannot do to it is left out of ``lab.broken``."""
    if options.named is None:
        chosen = breakages.choose(lab.scenario, random, options.most)
    else:
        chosen = [one for one in breakages.BREAKAGES if one.name in options.named and one.fits(lab.scenario)]
    for one in chosen:
        try:
            one.apply(lab, random)
            lab.broken.append(one.name)
        except CommandError:
            lab.broken.append(f"{one.name} (in part)")


def examine(lab: Lab, random: Random, seed: int, folder: Path, tally: Tally, options: Options) -> bool:
    """Captures, predicts, sends and compares; True when something was predicted wrong."""
    chosen = probes.choose(lab, random, options.limit)
    if lab.tracked:
        lab.entries = entries.scripts(lab, chosen, random)
    settle(lab)
    capture(lab, folder)
    settle(lab)
    results = probes.send(lab, chosen, TIMEOUT)
    loaded = load(folder)
    told = [compare.predict(loaded, probe) for probe in chosen]
    for alone in (False, True):
        asked_again(lab, told, chosen, results, alone)
    if options.truth is not None:
        record.write(
            options.truth, f"{lab.scenario.name}, seed {seed}: {', '.join(lab.broken) or 'unbroken'}", folder, chosen, results
        )
    wrong = count(lab, seed, told, chosen, results, folder, tally)
    verdicts = decide(loaded.given.network).guarantees if lab.policies or options.engines else ()
    if lab.policies:
        asked = opening(told, chosen, results)
        found = list(policy_check.contradictions(lab, loaded, verdicts, *asked))
        found += service_check.contradictions(lab, loaded, verdicts, *asked)
        tally.wrong += [f"{lab.scenario.name} seed {seed}, {', '.join(lab.broken) or 'unbroken'}: {text}" for text in found]
        wrong = wrong or bool(found)
    return (options.engines and second_opinions(lab, seed, loaded, verdicts, told, chosen, results, tally)) or wrong


def asked_again(lab: Lab, told: list[Trace], chosen: list[Probe], results: list[Result], alone: bool) -> None:
    """Sends the probes that were predicted wrong again, with patience; ``alone``: one after the other, since hosts learn their neighbours from
    each other's questions, and only so many."""
    doubted = [number for number, trace in enumerate(told) if compare.judge(trace, chosen[number], results[number]) == "wrong"]
    for numbers in [[number] for number in doubted[:ALONE]] if alone else [doubted] if doubted else []:
        settle(lab)
        for number, result in zip(numbers, probes.send(lab, [chosen[number] for number in numbers], PATIENCE), strict=True):
            results[number] = result


def second_opinions(
    lab: Lab,
    seed: int,
    loaded: Capture,
    verdicts: Sequence[Guarantee],
    told: list[Trace],
    chosen: list[Probe],
    results: list[Result],
    tally: Tally,
) -> bool:
    """Adds what the other readings of the network say wrong; True when there was any."""
    head = f"{lab.scenario.name} seed {seed}, broken by {', '.join(lab.broken) or 'nothing'}: "
    before = len(tally.wrong)
    programs: dict[int, NetworkProgram] = {}
    for trace, probe, result in zip(told, chosen, results, strict=True):
        if compare.judge(trace, probe, result) == "agree":
            ends = engines.lowered(loaded, programs, probe, trace)
            verdict = engines.judge(ends, trace, result)
            tally.lowered[verdict] += 1
            if verdict == "wrong":
                tally.wrong.append(f"{head}{probe}\n  kernel: {result}\n  language: {sorted(ends, key=str)}")
    asked = opening(told, chosen, results)
    tally.wrong += [head + text for text in engines.contradictions(lab, loaded, verdicts, *asked, service_check.denied)]
    return len(tally.wrong) > before


def opening(told: list[Trace], chosen: list[Probe], results: list[Result]) -> tuple[list[Probe], list[Result]]:
    """The probes that open new connections, which verdicts are about, and what came of them."""
    kept = [number for number, trace in enumerate(told) if not any("still tracks" in text for text in trace.assumptions)]
    return [chosen[number] for number in kept], [results[number] for number in kept]


def count(lab: Lab, seed: int, told: list[Trace], chosen: list[Probe], results: list[Result], folder: Path, tally: Tally) -> bool:
    """Adds the verdicts to the tally."""
    tally.networks += 1
    before = len(tally.wrong)
    for trace, probe, result in zip(told, chosen, results, strict=True):
        match compare.judge(trace, probe, result):
            case "skip":
                tally.skipped += 1
            case "unknown":
                tally.unknown[next(o.reason for o in trace.outcomes if o.fate == "unknown")] += 1
            case verdict:
                tally.predictions += 1
                if verdict == "wrong":
                    head = f"{lab.scenario.name} seed {seed}, broken by {', '.join(lab.broken) or 'nothing'}: "
                    tally.wrong.append(head + compare.explain(trace, probe, result, folder))
    return len(tally.wrong) > before
