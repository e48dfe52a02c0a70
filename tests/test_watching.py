"""``--watch`` in a real process: what a change brings is told, what cannot be read ends nothing, and an interrupt ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest

from analyzer.__main__ import main
from analyzer.cli.watching import differences
from analyzer.findings import Finding, Guarantee, Report, Severity, Verdict
from analyzer.source import Gap, Source, Span

ROOT = Path(__file__).parent.parent
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {app: web}}\nspec: {containers: [{name: a, image: a}]}\n"
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  selector: {app: web}\n  ports: [{port: 80}]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pod.yaml").write_text(POD)
    (tmp_path / "service.yaml").write_text(SERVICE)
    return tmp_path


@pytest.fixture
def watching(folder: Path) -> Iterator[subprocess.Popen[str]]:
    with watcher(folder, str(folder)) as process:
        yield process


@contextmanager
def watcher(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The process that watches, which ends with its use."""
    command = [sys.executable, "-u", "-m", "analyzer", *options, "--watch", "-q", "-f", "concise"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder, env=environment
    ) as process:
        yield process
        process.kill()


def until(file: IO[str] | None, end: str) -> list[str]:
    """The lines up to one with a text in it."""
    assert file is not None
    found: list[str] = []
    while not found or end not in found[-1]:
        text = file.readline()
        assert text, f"it ended after {found}"
        found.append(text.rstrip())
    return found


def test_a_change_is_told_and_an_interrupt_ends_it(watching: subprocess.Popen[str], folder: Path) -> None:
    until(watching.stderr, "watching")
    (folder / "service.yaml").write_text(SERVICE.replace("app: web", "app: wep"))
    told = until(watching.stdout, "findings")
    assert "changed: " in told[0]
    assert told[0].endswith("service.yaml")
    assert any(text.startswith("+ ") and "service-selects-nothing" in text for text in told)
    (folder / "service.yaml").write_text("# above\n" + SERVICE.replace("app: web", "app: wep"))
    told = until(watching.stdout, "findings")
    assert "0 appeared, 0 disappeared" in told[-1]
    (folder / "service.yaml").write_text(SERVICE + "  half: [written\n")
    told = until(watching.stdout, "findings")
    assert any("gap" in text for text in told)
    (folder / "service.yaml").unlink()
    told = until(watching.stdout, "findings")
    assert told[0].endswith("service.yaml")
    watching.send_signal(signal.SIGINT)
    out, err = watching.communicate(timeout=60)
    assert (watching.returncode, out) == (0, "")
    assert err == "analyze: no longer watching\n"


OWN = '''"""Every service is told."""

from analyzer.rule import Rule, Severity


def check(network):
    return [RULE.finding(service.at, "TOLD") for service in network.cluster.services.values()]


RULE = Rule("our-services", Severity.NOTE, __doc__, check)
'''


def test_rules_of_the_team_are_read_again_as_they_change(folder: Path) -> None:
    (folder / "ours").mkdir()
    (folder / "ours" / "our-services.py").write_text(OWN)
    with watcher(folder, "service.yaml", "--rules", "ours") as process:
        until(process.stderr, "watching")
        (folder / "ours" / "our-services.py").write_text(OWN.replace("TOLD", "SAID"))
        told = until(process.stdout, "findings")
        assert any(text.startswith("+ ") and text.endswith("SAID") for text in told)
        (folder / "ours" / "our-services.py").write_text(OWN.replace("TOLD", "SENT"))
        told = until(process.stdout, "findings")
        assert any(text.startswith("- ") and text.endswith("SAID") for text in told)


@pytest.mark.parametrize("option", [["--fix"], ["--diff"], ["--since", "HEAD"]])
def test_what_makes_no_sense_is_refused(option: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder), "--watch", *option]) == 2
    assert "--watch is without --fix" in capsys.readouterr().err


def test_what_moved_is_the_same_and_verdicts_are_compared() -> None:
    finding = Finding("rule", Severity.ERROR, "message", Span("a", 1))
    held, fails = Guarantee("pod-to-pod", Verdict.PROVED, ""), Guarantee("pod-to-pod", Verdict.REFUTED, "", "why")
    before = Report((held,), (), (finding, finding), (), (Source("a", "text\n"),))
    moved = replace(finding, at=Span("a", 2))
    after = Report((fails,), (), (moved,), (Gap(Span("a", 3), "reason"),), (Source("a", "\ntext\n"),))
    assert list(differences(before, after)) == [
        "~ pod-to-pod: proved -> refuted: why",
        "- a:1:1: error[rule] message",
        "+ a:3:1: gap reason",
        "0 appeared, 1 disappeared; 1 findings",
    ]
    assert list(differences(after, after)) == ["0 appeared, 0 disappeared; 1 findings"]
