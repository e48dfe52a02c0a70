"""Holds the analyzer's predictions against what the kernel did."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from analyzer.api import Capture
from analyzer.query.trace import Question, trace
from analyzer.solve.packet import Fate, Outcome, Trace
from tests.lab.probes import OUTSIDE, Probe, Result


@dataclass(slots=True)
class Tally:
    """How many predictions were made, of how many nothing could be said, and each that was wrong."""

    networks: int = 0
    predictions: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    skipped: int = 0
    wrong: list[str] = field(default_factory=list)
    lowered: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        known = sum(self.unknown.values())
        share = 100 * known / max(1, known + self.predictions)
        return (
            f"{self.networks} networks, {self.predictions} predictions held against the kernel, {len(self.wrong)} wrong; "
            f"{known} unknown ({share:.1f} %), {self.skipped} not observable"
            + (f"; the language: {dict(sorted(self.lowered.items()))}" if self.lowered else "")
        )


def predict(capture: Capture, probe: Probe) -> Trace:
    """What ``analyze trace`` says of a probe."""
    question = Question(
        probe.source, probe.target, probe.protocol, probe.port, probe.source_port, size=probe.size or None, enter=probe.enter
    )
    return trace(capture.given.network, question)


def agrees(outcome: Outcome, result: Result) -> bool:
    """Whether the kernel did what an outcome says."""
    if outcome.fate is Fate.UNREACHABLE:
        return not result.answered
    if outcome.fate is not Fate.REACHABLE or result.at is None or str(outcome.source_seen) != result.source:
        return False
    if outcome.delivered_to == OUTSIDE:
        return result.at == OUTSIDE
    return result.answered and result.at == outcome.delivered_to


def observable(told: Trace, probe: Probe) -> bool:
    """Whether the lab can see it: what comes from the outside host and leaves to it again, it refuses as its own."""
    return not (probe.enter and any(outcome.delivered_to == OUTSIDE for outcome in told.outcomes))


def judge(told: Trace, probe: Probe, result: Result) -> str:
    """``agree``, ``unknown``, ``skip`` or ``wrong``."""
    if not observable(told, probe):
        return "skip"
    if any(agrees(outcome, result) for outcome in told.outcomes):
        return "agree" if told.fate is not Fate.UNKNOWN else "unknown"
    return "unknown" if told.fate is Fate.UNKNOWN else "wrong"


def explain(told: Trace, probe: Probe, result: Result, folder: Path | None = None) -> str:
    """A disagreement in words, with the walk."""
    lines = [f"{probe}\n  kernel: {result} {result.said}"]
    for outcome in told.outcomes:
        lines.append(
            f"  analyzer: {outcome.fate} {outcome.delivered_to} source {outcome.source_seen} {outcome.reason}"
            + (f" at {outcome.at}" if outcome.at else "")
        )
        lines += [f"    {'<-' if hop.reply else '->'} {hop.place}: {hop.stage}: {hop.what}" for hop in outcome.hops]
    return "\n".join(lines) + (f"\n  capture kept in {folder}" if folder else "")
