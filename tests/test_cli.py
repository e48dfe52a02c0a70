"""The commands as a person or a script calls them: output, exit status, bad input."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

import analyzer.report
from analyzer.__main__ import main

ROOT = Path(__file__).parent.parent
INCIDENT = ROOT / "samples" / "clusters" / "peer-pods"
SCHEMAS = Path(analyzer.report.__file__).parent / "schemas"


def schema(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads((SCHEMAS / f"{name}.json").read_text()))


def test_help_is_quick_to_import() -> None:
    """What ``--help`` imports: nothing slow."""
    code = "import sys; from analyzer.__main__ import main; main(['--help']); print(sorted({m.split('.')[0] for m in sys.modules}), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "analyze trace" in done.stdout
    for slow in ("z3", "networkx", "jsonschema", "lark", "yaml"):
        assert f"'{slow}'" not in done.stderr


def test_no_arguments_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage" in "".join(capsys.readouterr()).lower()


@pytest.mark.parametrize("arguments", [["check"], ["trace"], ["check", "x", "--format", "nope"], ["trace", "x", "--size", "big"]])
def test_wrong_usage_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_an_input_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nothing")]) == 3
    assert "nothing" in capsys.readouterr().err


def test_json_report_keeps_its_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(INCIDENT), "--format", "json", "-q"]) == 1
    document = json.loads(capsys.readouterr().out)
    schema("report").validate(document)


def test_several_outputs_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "report.json"
    assert main([str(INCIDENT), "-q", "-o", f"json:{target}"]) == 1
    schema("report").validate(json.loads(target.read_text()))
    assert capsys.readouterr().out.startswith("guarantees\n")


def test_same_input_same_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    outputs = []
    for _ in range(2):
        main([str(INCIDENT), "-q", "-v"])
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]


def test_collect_prints_a_shell_script(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["collect"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("#!/bin/sh")
    subprocess.run(["sh", "-n"], input=text, text=True, check=True)


def test_rules_are_listed_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules"]) == 0
    identifiers = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert len(identifiers) >= 30
    assert main(["rules", identifiers[0]]) == 0
    assert "What it finds" in capsys.readouterr().out
    assert main(["rules", "no-such-rule"]) == 2


def test_trace_of_the_incident(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(INCIDENT), "--from", "node:ocp-412-ovn-worker-1", "--to", "10.132.2.46", "--protocol", "ICMP", "-q"]
    assert main(["trace", *arguments]) == 1
    text = capsys.readouterr().out
    assert text.startswith("unreachable: ICMP")
    assert "0a:58:0a:84:02:2e" in text
    assert "7e:e5:f7:e6:f5:1a" in text
    assert main(["trace", *arguments, "--format", "json"]) == 1
    schema("trace").validate(json.loads(capsys.readouterr().out))


def test_batch_answers_each_line_in_order(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    questions = [
        '{"from": "node:ocp-412-ovn-worker-1", "to": "10.132.2.46", "protocol": "ICMP"}',
        "not json",
        '{"from": "default/nobody", "to": "10.132.2.46"}',
    ]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(questions) + "\n"))
    main(["trace", str(INCIDENT), "--batch", "-", "-q"])
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for answer in answers:
        schema("trace").validate(answer)
    assert answers[0]["verdict"] == "unreachable"
    assert [sorted(answer) for answer in answers[1:]] == [["error"], ["error"]]


def test_readme_begins_with_the_two_commands() -> None:
    lines = (ROOT / "README.md").read_text().split("```sh\n", 1)[1].splitlines()
    assert [line.split()[:2] for line in lines[:2]] == [["make", "demo"], ["make", "test"]]


def test_ci_runs_the_test_command_of_the_readme() -> None:
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("exec make test")


def test_a_document_that_is_lost_is_incomplete_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "app.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\nkind: {broken\n")
    assert main([str(tmp_path), "-q", "--no-config"]) == 3
    assert "is broken here" in capsys.readouterr().out


PAIR = "".join(
    f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{containers: [{{name: c, image: i}}]}}\n---\n"
    for name in "bc"
)


@pytest.mark.parametrize(
    "command",
    [["trace", "--from", "shop/b", "--to", "shop/c", "--port", "80"], ["connectivity"], ["ask", "can shop/b reach shop/c"]],
)
def test_a_document_that_is_lost_could_have_been_a_policy(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "app.yaml").write_text(f"{PAIR}kind: {{broken\n")
    first, *rest = command
    assert main([first, str(tmp_path), *rest, "-q", "--no-config"]) == 3
    assert "is broken here" in capsys.readouterr().err
