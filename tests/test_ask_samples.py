"""Questions of ``samples/ask/*/questions.txt`` about the manifests of ``input``: the answers as the command line prints them, as text and JSON."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

import analyzer.report
from analyzer.cli import run

ROOT = Path(__file__).parent.parent
CASES = sorted(path.parent for path in (ROOT / "samples" / "ask").glob("*/questions.txt"))
SCHEMA = json.loads((Path(analyzer.report.__file__).parent / "schemas" / "ask.json").read_text())
STATUS = {"proved": 0, "refuted": 1, "undecided": 3}


def options_of(case: Path) -> list[str]:
    """Further options of the case: the first line of the questions, where it begins with ``# options:``."""
    first = (case / "questions.txt").read_text().partition("\n")[0]
    return first.removeprefix("# options:").split() if first.startswith("# options:") else []


def asked(case: Path, *more: str) -> list[str]:
    return ["ask", str(case / "input"), "--file", str(case / "questions.txt"), "-q", *options_of(case), *more]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_answers_are_as_expected(case: Path, capsys: pytest.CaptureFixture[str], update: bool) -> None:
    status = run(asked(case))
    found = f"{capsys.readouterr().out}\nexit status {status}\n"
    expected = case / "answers.txt"
    if update:
        expected.write_text(found)
    assert found == expected.read_text()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_json_says_the_same_and_is_as_the_schema_says(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = run(asked(case, "-f", "json"))
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, SCHEMA)
    verdicts = [answer.get("verdict", "error") for answer in found["answers"]]
    heads = [line.split(":")[0].split()[0] for line in (case / "answers.txt").read_text().splitlines() if line[:1].isalpha()]
    assert verdicts == [head for head in heads if head in (*STATUS, "error")]
    assert status == next(value for value in (2, 1, 3, 0) if value in {STATUS.get(verdict, 2) for verdict in verdicts})
