"""What a new user mistypes gets a message that says what was meant, and never a check that passes without a word."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analyzer.cli import run
from analyzer.cli.judging import OF_INTENTS
from analyzer.query.intents import BROKEN, UNDECIDED

START = Path(__file__).parent.parent / "samples" / "start" / "k8s"
SHOP = Path(__file__).parent.parent / "samples" / "policy-trace" / "shop" / "manifests"
PEER = Path(__file__).parent.parent / "samples" / "clusters" / "peer-pods"
MISTYPED = (
    (["trace", "PEER", "--from", "ocp-412-ovn-worker-1", "--to", "1.1.1.1"], "did you mean node:ocp-412-ovn-worker-1?"),
    (["trace", "PEER", "--from", "node:ocp-412-ovn-worker", "--to", "1.1.1.1"], "did you mean ocp-412-ovn-worker-1"),
    (["ask", "PEER", "can outside reach ocp-412-ovn-worker-1"], "did you mean node:ocp-412-ovn-worker-1?"),
    (
        ["K8S", "--select", "service-prot-unserved"],
        "--select: there is no rule service-prot-unserved; did you mean service-port-unserved?",
    ),
    (["K8S", "--select", "policy-*,polcy-*"], "--select: there is no rule polcy-*; `analyze rules` lists them"),
    (["K8S", "--ignore", "service-port"], "--ignore: there is no rule service-port; did you mean service-port-unserved?"),
    (["rules", "service-port"], "there is no rule 'service-port'; did you mean service-port-unserved?"),
    (["rules", "nothing-*"], "there is no rule 'nothing-*'; `analyze rules` lists them"),
    (["K8S", "--selct", "policy-*"], "analyze check: there is no option --selct; did you mean --select?"),
    (["K8S", "--nothing-like-it"], "there is no option --nothing-like-it; `analyze check --help` lists the options"),
    (["K8S", "-f", "sarfi"], "did you mean sarif?"),
    (["K8S", "--fail-on", "errors"], "did you mean error?"),
    (["trase", "K8S"], "there is no file or command 'trase'; did you mean trace?"),
    (["ask", "SHOP", "can everybody reach shop/db-0"], "there is no pod default/everybody in the input: did you mean anyone?"),
    (["ask", "SHOP", "who can reach shop/db-0"], "`analyze connectivity PATH --to NAME` lists who"),
    (
        ["trace", "SHOP", "--from", "tools/prob", "--to", "shop/db-0"],
        "there is no pod tools/prob in the input: did you mean tools/probe?",
    ),
)


@pytest.mark.parametrize(
    ("arguments", "message"), MISTYPED, ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else ""
)
def test_what_is_mistyped_is_told_with_what_was_meant(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [{"K8S": str(START), "SHOP": str(SHOP), "PEER": str(PEER)}.get(word, word) for word in arguments]
    try:
        status = run(given)
    except SystemExit as end:
        status = int(end.code or 0)
    said = capsys.readouterr()
    assert status == 2
    assert message in said.out + said.err


def test_a_setting_that_selects_a_rule_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "analyzer.yaml"
    settings.write_text("select: [policy-*, servise-port-unserved]\n")
    assert run([str(START), "--config", str(settings)]) == 2
    assert "analyzer.yaml:1:20: select: there is no rule servise-port-unserved; did you mean" in capsys.readouterr().err


def test_findings_of_intents_can_be_left_out() -> None:
    assert (BROKEN.id, UNDECIDED.id) == OF_INTENTS
    assert run([str(START), "-q", "--no-config", "--ignore", ",".join(OF_INTENTS), "--fail-on", "never"]) == 0


def test_rules_of_a_pattern_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rules", "service-*"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 3
    assert all(line.startswith("service-") for line in lines)


@pytest.mark.parametrize(
    ("name", "begins"),
    [("a.html", "<!DOCTYPE html>"), ("a.sarif", "{"), ("a.json", "{"), ("a.md", "<!-- analyze -->"), ("a.txt", "error[")],
)
def test_the_ending_of_a_file_says_its_format(name: str, begins: str, tmp_path: Path) -> None:
    run([str(START), "-q", "--no-config", "-o", str(tmp_path / name)])
    assert (tmp_path / name).read_text().startswith(begins)


def test_the_format_that_is_said_counts_more_than_the_ending(tmp_path: Path) -> None:
    run([str(START), "-q", "--no-config", "-f", "text", "-o", str(tmp_path / "a.html")])
    assert (tmp_path / "a.html").read_text().startswith("error[")


def test_nothing_found_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    assert run([str(tmp_path), "--no-config"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("findings: none\n\nguarantees: none can be decided")
    assert said.err == "1 file; no findings; 0 gaps\n"


@pytest.mark.parametrize(
    "call", [["trace", "--from", "a/b", "--to", "c/d"], ["ask", "can a/b reach c/d"], ["connectivity"], ["check"]]
)
def test_an_input_that_is_not_there_is_told(call: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([call[0], "nowhere", *call[1:], "-q"]) == 3
    told = "analyze: nowhere: cannot be read: No such file or directory\nanalyze: nothing to analyse was found in the input\n"
    assert capsys.readouterr().err == told


@pytest.mark.parametrize("name", ["json", "sarif", "junit", "gitlab", "html"])
def test_programs_get_a_report_of_what_could_not_be_read(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["nowhere", "-f", name, "-q"]) == 3
    report = capsys.readouterr().out
    assert report.endswith("\n")
    assert name in ("junit", "gitlab") or "No such file or directory" in report
    if name == "json":
        assert [gap["at"]["path"] for gap in json.loads(report)["gaps"]] == ["nowhere"]


def test_each_question_about_nothing_has_an_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "questions").write_text('{"from": "a/b", "to": "c/d"}\n\n{"from": "a/b", "to": "e/f"}\n')
    assert run(["trace", "nowhere", "--batch", str(tmp_path / "questions"), "-q"]) == 3
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert answers == 2 * [
        {"error": "nothing to analyse was found in the input: nowhere: cannot be read: No such file or directory"}
    ]
    assert run(["trace", "nowhere", "--batch", str(tmp_path / "none"), "-q"]) == 2


def test_a_trace_says_each_decision_once() -> None:
    import analyzer

    [outcome] = analyzer.load(START).trace("deploy:shop/web", "8.8.8.8", port=53, protocol="UDP").outcomes
    said = [(hop.place, hop.stage, hop.what) for hop in outcome.hops]
    assert "cannot be read" in str(said)
    assert len(said) == len(set(said))
