"""``analyze diff`` over the samples: each has the inputs ``old`` and ``new`` and the text that is to be said. The JSON keeps its schema."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

import analyzer.report
from analyzer.cli import run

SAMPLES = Path(__file__).parent.parent / "samples" / "diff"
CASES = sorted(path.name for path in SAMPLES.iterdir())
SCHEMA = json.loads((Path(analyzer.report.__file__).parent / "schemas" / "diff.json").read_text())


@pytest.mark.parametrize("case", CASES)
def test_the_answer_is_the_expected_one(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = run(["diff", "-q", str(SAMPLES / case / "old"), str(SAMPLES / case / "new")])
    assert f"{capsys.readouterr().out}exit status {status}\n" == (SAMPLES / case / "expected.txt").read_text()


@pytest.mark.parametrize("case", CASES)
def test_json_keeps_its_schema_and_says_the_same_twice(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["diff", "-q", "-f", "json", str(SAMPLES / case / "old"), str(SAMPLES / case / "new")]
    run(arguments)
    text = capsys.readouterr().out
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(text))
    run(arguments)
    assert capsys.readouterr().out == text


@pytest.mark.parametrize("case", CASES)
def test_markdown_has_a_row_for_each_change(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(SAMPLES / case / "old"), str(SAMPLES / case / "new")]
    run(["diff", "-q", "-f", "json", *paths])
    changes = json.loads(capsys.readouterr().out)["changes"]
    run(["diff", "-q", "-f", "markdown", *paths])
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith(("| added", "| removed", "| changed", "| undecided")) for line in lines) == len(changes)
