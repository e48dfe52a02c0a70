"""The rules run beside the guarantees in a process of their own: the report is the same byte for byte, also where that process is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from analyzer import jobs, pipeline
from analyzer.findings import Finding
from analyzer.jobs import beside
from analyzer.model.network import Network
from analyzer.query.rules import all_rules
from analyzer.report.json import write
from analyzer.report.style import Style

SAMPLE = Path(__file__).parent.parent / "samples" / "clusters" / "peer-pods"


def test_the_report_is_the_same_whoever_runs_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    given = pipeline.read_input((str(SAMPLE),))
    own = os.getpid()
    first, *others = all_rules()

    def killed(network: Network) -> Iterator[Finding]:
        if os.getpid() != own:
            os.kill(os.getpid(), signal.SIGKILL)
        return iter(first.check(network))

    alone = write(pipeline.analyze(given), Style(color=False, verbose=True, width=120))
    monkeypatch.setattr(pipeline, "SPACES", 1)
    for rules in (None, (replace(first, check=killed), *others)):
        report = pipeline.analyze(given, jobs=2, rules=rules)
        assert report.findings
        assert write(report, Style(color=False, verbose=True, width=120)) == alone


def test_without_room_for_its_result_the_work_is_done_here(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(jobs, "TemporaryFile", lambda: open("/dev/full", "wb+"))  # noqa: SIM115
    assert beside(os.getpid)() == os.getpid()

    def without_memory() -> int:
        if os.getpid() != own:
            raise MemoryError
        return own

    own = os.getpid()
    assert beside(without_memory)() == own
    assert capfd.readouterr().err == ""


def test_work_begins_at_once_and_elsewhere() -> None:
    waiting = beside(os.getpid)
    assert waiting() != os.getpid()
    assert beside(lambda: None)() is None
