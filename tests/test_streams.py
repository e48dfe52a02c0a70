"""The three standard streams of a call: what is said on stderr, and streams that are closed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

START = Path(__file__).parent.parent / "samples" / "start" / "k8s"


def called(arguments: str) -> subprocess.CompletedProcess[str]:
    """A call in a shell, so that its streams can be closed."""
    return subprocess.run(["sh", "-c", f"{sys.executable} -m analyzer {arguments}"], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("closed", "status"), [(">&-", 1), ("2>&-", 1), ("<&-", 1), ("<&- >&- 2>&-", 1)])
def test_closed_streams_do_no_harm(closed: str, status: int, tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    done = called(f"{START} -f concise -o {target} {closed}")
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert target.read_text(encoding="utf-8").count("\n") == 3


def test_what_is_written_reaches_stdout_where_stderr_is_closed() -> None:
    assert called(f"{START} -f concise 2>&-").stdout.count("\n") == 3


def test_a_closed_stdin_is_empty() -> None:
    done = called("- <&-")
    assert (done.returncode, done.stdout) == (3, "")
    assert "nothing to analyse was found" in done.stderr


def test_names_of_files_are_written_out(tmp_path: Path) -> None:
    (tmp_path / "a\x1b[31m\n::error::b.yaml").write_text('apiVersion: v1\nkind: Service\nmetadata: {name: "cut\n')
    (tmp_path / "b.yaml").write_text("{apiVersion: v1, kind: Pod, metadata: {name: b}, spec: {containers: [{name: c}]}}\n")
    done = called(f"connectivity {tmp_path}")
    assert done.returncode == 3
    assert "\\x1b[31m\\n::error::b.yaml: this YAML document is broken" in done.stderr
    assert "\x1b" not in done.stderr
    assert not any(line.startswith("::") for line in done.stderr.splitlines())
