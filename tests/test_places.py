"""The places that the command is called from: shells, the manual, merge checks of others."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from analyzer.cli import run
from analyzer.cli.commands import COMMANDS

ROOT = Path(__file__).parent.parent


def printed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert run(arguments) == 0
    return capsys.readouterr().out


def completed(line: str, capsys: pytest.CaptureFixture[str], folder: Path) -> list[str]:
    """What bash offers behind a line."""
    words = line.split(" ")
    script = printed(["completion", "bash"], capsys)
    quoted = " ".join(f"'{word}'" for word in words)
    script += f'\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _analyze; printf "%s\\n" "${{COMPREPLY[@]}}"\n'
    done = subprocess.run(["bash"], input=script.encode(), capture_output=True, check=True, cwd=folder)
    assert not done.stderr
    return sorted(done.stdout.decode().split())


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("analyze tr", ["trace"]),
        ("analyze trace --fr", ["--from"]),
        ("analyze dump --fail-on ", ["error", "never", "note", "warning"]),
        ("analyze --fail-on wa", ["warning"]),
        ("analyze ask -f m", ["markdown", "mermaid"]),
        ("analyze completion z", ["zsh"]),
        ("analyze trace du", ["dump"]),
        ("analyze check --select manifest-key", ["manifest-key-twice"]),
        ("analyze rules manifest-key", ["manifest-key-twice"]),
        ("analyze ask --cni cili", ["cilium"]),
        ("analyze check --config du", ["dump"]),
        ("analyze check --jobs du", []),
    ],
)
def test_bash_completes(line: str, wanted: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "dump").mkdir()
    assert completed(line, capsys, tmp_path) == wanted


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish is there")
@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("analyze tr", ["trace"]),
        ("kubectl-analyze tr", ["trace"]),
        ("analyze trace --fr", ["--from"]),
        ("analyze check --fail-on ", ["error", "never", "note", "warning"]),
        ("analyze ask -f m", ["markdown", "mermaid"]),
        ("analyze completion z", ["zsh"]),
    ],
)
def test_fish_completes(line: str, wanted: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = printed(["completion", "fish"], capsys) + f"complete -C '{line}'\n"
    done = subprocess.run(["fish", "--no-config"], input=script.encode(), capture_output=True, check=True, cwd=tmp_path)
    assert sorted(row.split("\t")[0] for row in done.stdout.decode().splitlines()) == wanted


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_names_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    script = printed(["completion", shell], capsys)
    assert all(name in script for name in COMMANDS)
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script.encode(), check=True)


def test_the_manual_page_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(["man"], capsys)
    assert all(f"analyze {name}" in text for name in COMMANDS)
    if not shutil.which("groff"):
        pytest.skip("groff is not there: the page was not set")
    done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-Z"], input=text.encode(), capture_output=True, check=True)
    assert done.stderr == b""


def step_of_the_action() -> dict[str, Any]:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    assert action["runs"]["using"] == "composite"
    found = next(step for step in action["runs"]["steps"] if step["name"] == "analyze")
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(("folder", "status"), [("shop", 1), ("nothing-wrong", 0)])
def test_the_action_annotates_and_writes_sarif(folder: str, status: int, tmp_path: Path) -> None:
    command = tmp_path / "runner" / "analyze" / "bin" / "analyze"
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m analyzer "$@"\n')
    command.chmod(0o755)
    shutil.copytree(ROOT / "samples" / "lint" / "shop", tmp_path / "shop")
    (tmp_path / "nothing-wrong").mkdir()
    (tmp_path / "nothing-wrong" / "a.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n")
    (tmp_path / ".git").mkdir()
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "RUNNER_TEMP": str(tmp_path / "runner"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "PATHS": f"nothing-wrong\n{folder}",
        "ARGUMENTS": "--fail-on error",
        "SARIF": "out.sarif",
    }
    done = subprocess.run(["bash", "-e", "-c", step_of_the_action()["run"]], cwd=tmp_path, env=environment, capture_output=True)
    assert done.returncode == status, done.stderr
    assert (b"::error file=shop/web.yaml,line=18" in done.stdout) is bool(status)
    assert '"version": "2.1.0"' in (tmp_path / "out.sarif").read_text()
    assert (tmp_path / "summary.md").read_text().startswith("<!-- analyze -->")


def test_the_templates_call_what_there_is() -> None:
    hook = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())[0]
    assert hook["entry"].split()[1] in COMMANDS
    assert hook["pass_filenames"] is False, "one file alone says nothing of policies in another"
    script = yaml.safe_load((ROOT / "templates" / "analyze.gitlab-ci.yml").read_text())["analyze"]["script"]
    assert any("gitlab:gl-code-quality.json" in line for line in script)
    assert (ROOT / "Containerfile").read_text().count("FROM python:") == 2
