"""What the documents show is what the commands print: every ``console`` and ``pycon`` block is run from the top folder.

A command stands on a line that begins with ``$``; what it prints on stdout follows. A document that edits files (``$ sed -i …``, ``--fix``) does so
in a copy of ``samples/start``, and its blocks follow one another there. In ``pycon`` blocks the statements follow one another, too.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from doctest import DocTestParser
from pathlib import Path
from typing import Any

import pytest

from analyzer.cli import run

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```(console|pycon)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_print_what_is_shown(
    path: Path, update: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = path.read_text()
    monkeypatch.chdir(place(text, tmp_path))
    names: dict[str, Any] = {}
    shown: dict[str, Callable[[str], str]] = {
        "console": lambda block: printed(block, capsys),
        "pycon": lambda block: displayed(block, names, capsys),
    }
    found = BLOCK.sub(lambda block: f"```{block[1]}\n{shown[block[1]](block[2])}```", text)
    if update:
        path.write_text(found)
    assert found == path.read_text()


def place(text: str, folder: Path) -> Path:
    """Where a document's commands are run: the top folder, or a copy of what they edit."""
    if "\n$ sed -i " not in text:
        return ROOT
    shutil.copytree(ROOT / "samples" / "start", folder, dirs_exist_ok=True)
    return folder


def printed(block: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The commands of a block, each with what it prints now."""
    shown = []
    for line in block.splitlines():
        if line.startswith("$ analyze "):
            capsys.readouterr()
            run(shlex.split(line)[2:])
            shown.append(f"{line}\n{capsys.readouterr().out.rstrip()}".rstrip() + "\n")
        elif line.startswith("$ sed -i "):
            subprocess.run(shlex.split(line)[1:], check=True)
            shown.append(line)
    return "\n".join(shown).rstrip() + "\n"


def displayed(block: str, names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> str:
    """The statements of a block, each with what the interpreter shows of it now."""
    shown = []
    for example in DocTestParser().get_examples(block):
        capsys.readouterr()
        exec(compile(example.source, "<document>", "single"), names)
        first, *rest = example.source.splitlines()
        shown += [f">>> {first}", *(f"... {line}".rstrip() for line in rest), *capsys.readouterr().out.splitlines()]
    return "\n".join(shown) + "\n"
