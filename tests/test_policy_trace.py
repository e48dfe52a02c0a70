"""``analyze trace`` on manifests: policies and services decide. A case is a folder of samples/policy-trace: manifests, and questions with their answers."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from analyzer.api import load
from analyzer.query.trace import answer_line

CASES = sorted((Path(__file__).parent.parent / "samples" / "policy-trace").glob("*"))
SCHEMA = json.loads((Path(__file__).parent.parent / "analyzer" / "report" / "schemas" / "trace.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_answers(case: Path, request: pytest.FixtureRequest) -> None:
    """Each line of questions.jsonl is a question; expected.txt has a verdict, a reason and the hops for each."""
    network = load(case / "manifests").given.network
    found = "\n".join(told(line, answer_line(network, line)) for line in (case / "questions.jsonl").read_text().splitlines())
    expected = case / "expected.txt"
    if request.config.getoption("--update"):
        expected.write_text(found)
    assert found == expected.read_text()


def told(line: str, answer: dict[str, object]) -> str:
    """A question and its answer as lines of text."""
    if "error" in answer:
        return f"{line}\n  error: {answer['error']}\n"
    jsonschema.validate({"schema": "analyzer.trace/1", **answer}, SCHEMA)
    lines = [line, f"  {answer['verdict']}"]
    outcomes = answer["outcomes"]
    assert isinstance(outcomes, list)
    for outcome in outcomes:
        place = f" ({outcome['at']['path']}:{outcome['at']['line']})" if outcome["at"] else ""
        lines.append(
            f"  {outcome['verdict']} {outcome['delivered_to'] or ''} {outcome['port_seen'] or ''} {outcome['reason']}{place}"
        )
        lines += [f"    {hop['place']} {hop['stage']}: {hop['what']}" for hop in outcome["hops"]]
    assumptions = answer["assumptions"]
    assert isinstance(assumptions, list)
    return "\n".join([*lines, *(f"  taken for granted: {text}" for text in assumptions)]) + "\n"
