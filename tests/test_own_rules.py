"""Rules of one's own: what ``analyze rules new`` writes works, is tested by its samples, and runs where it is asked to."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.cli import run

SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: tmp-web, namespace: shop}\nspec: {ports: [{port: 80}]}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "k8s").mkdir()
    (tmp_path / "k8s" / "service.yaml").write_text(SERVICE)
    monkeypatch.chdir(tmp_path)
    assert run(["rules", "new", "service-name-temporary", "--rules", "team"]) == 0
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_a_new_rule_passes_its_samples_and_fires(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rules", "test", "team"]) == 0
    assert run(["k8s", "-q", "-f", "concise", "--rules", "team", "--fail-on", "warning"]) == 1
    assert "k8s/service.yaml:3:18: warning[service-name-temporary]" in capsys.readouterr().out
    assert run(["rules", "service-name-temporary", "--rules", "team"]) == 0
    assert "## How to mend" in capsys.readouterr().out


@pytest.mark.usefixtures("folder")
def test_a_new_rule_overwrites_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rules", "new", "service-name-temporary", "--rules", "team"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert run(["rules", "new", "../x", "--rules", "team"]) == 2
    assert run(["rules", "new", "policy-rejected"]) == 2


def test_samples_that_say_otherwise_fail(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = folder / "team" / "samples" / "service-name-temporary.bad.txt"
    bad.write_text(bad.read_text().replace("tmp-web", "web"))
    assert run(["rules", "test", "team"]) == 1
    assert "wanted, not found: service-name-temporary service.yaml:3" in capsys.readouterr().out


def test_samples_of_rules_are_no_input_of_a_whole_repository(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "k8s" / "service.yaml").unlink()
    assert run([".", "-q", "--rules", "team"]) == 3
    assert "nothing to analyse" in capsys.readouterr().err
    assert run(["team/samples", "-q", "-f", "concise", "--rules", "team", "--fail-on", "warning"]) == 1
    assert "[service-name-temporary]" in capsys.readouterr().out


def test_settings_that_were_merely_found_run_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "analyzer.yaml").write_text("rules-from: team\n")
    run(["k8s", "-q", "-f", "concise"])
    shown = capsys.readouterr()
    assert "service-name-temporary" not in shown.out
    assert "--rules team" in shown.err
    run(["k8s", "-q", "-f", "concise", "--config", "analyzer.yaml"])
    assert "service-name-temporary" in capsys.readouterr().out


def test_a_rule_that_cannot_be_imported_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "team" / "broken-rule.py").write_text("import nothing_of_that_name\n")
    assert run(["k8s", "--rules", "team"]) == 2
    assert "nothing_of_that_name" in capsys.readouterr().err
    assert run(["k8s", "--rules", "nowhere"]) == 2
