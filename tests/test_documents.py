"""What the documents show is what the commands print: every ``console`` block is run from the top folder.

A command stands on a line that begins with ``$``; what it prints on stdout follows.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from analyzer.cli import run

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_print_what_is_shown(
    path: Path, update: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    text = path.read_text()
    found = BLOCK.sub(lambda block: f"```console\n{printed(block[1], capsys)}```", text)
    if update:
        path.write_text(found)
    assert found == path.read_text()


def printed(block: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The commands of a block, each with what it prints now."""
    shown = []
    for line in block.splitlines():
        if line.startswith("$ analyze "):
            capsys.readouterr()
            run(shlex.split(line)[2:])
            shown.append(f"{line}\n{capsys.readouterr().out.rstrip()}\n")
    return "\n".join(shown)
