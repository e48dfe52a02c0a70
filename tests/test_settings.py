"""Settings and ignores: each sample is a folder, the arguments of a call in it, and what the call says."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import jsonschema
import pytest

from analyzer.cli import run
from analyzer.query.ignoring.ignore import glob
from analyzer.settings.intents import intents_in
from analyzer.settings.reading import Wrong, settings_in, table
from tests.captures import files_of

ROOT = Path(__file__).parent.parent
SAMPLES = sorted((ROOT / "samples" / "settings").glob("*.txt"))
# What a slow machine is shown while it works.
PROGRESS = re.compile(r"analyze: (?:reading files|parsing|building the network|deciding|explaining|checking the rules)")
SCHEMA = json.loads((ROOT / "analyzer" / "settings" / "schema.json").read_text())


def said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    status = run(arguments)
    shown = capsys.readouterr()
    told = "".join(line for line in shown.err.splitlines(keepends=True) if not PROGRESS.match(line))
    return f"{shown.out}{told}exit status {status}\n"


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_call_says_what_it_should(
    path: Path, tmp_path: Path, update: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = files_of(path.read_text())
    want, arguments = files.pop("want"), files.pop("arguments").split()
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    found = said(["check", *arguments], capsys)
    if update:
        path.write_text(path.read_text().partition("-- want --\n")[0] + "-- want --\n" + found)
        return
    assert found == want


def settings_of(path: Path) -> list[tuple[str, str]]:
    return [(name, text) for name, text in files_of(path.read_text()).items() if name in ("analyzer.yaml", "pyproject.toml")]


@pytest.mark.parametrize("path", [path for path in SAMPLES if settings_of(path)], ids=lambda path: path.stem)
def test_the_schema_takes_what_the_reader_takes(path: Path) -> None:
    for name, text in settings_of(path):
        try:
            settings_in(name, ".", text)
            taken = True
        except Wrong:
            taken = False
        assert jsonschema.Draft202012Validator(SCHEMA).is_valid(table(name, text)[0]) is taken


def test_a_baseline_hides_what_it_has_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {0}, namespace: shop}}\nspec: {{podSelecter: {{}}}}\n"
    (tmp_path / "app.yaml").write_text(policy.format("one"))
    monkeypatch.chdir(tmp_path)
    assert run(["app.yaml", "-q", "-f", "json", "-o", "known.json"]) == 1
    assert run(["app.yaml", "-q", "--baseline", "known.json"]) == 0
    (tmp_path / "app.yaml").write_text("# moved\n" + policy.format("one"))
    assert run(["app.yaml", "-q", "--baseline", "known.json"]) == 0, "a moved line is the same finding"
    (tmp_path / "app.yaml").write_text(policy.format("one") + "---\n" + policy.format("two"))
    capsys.readouterr()
    assert run(["app.yaml", "-q", "--baseline", "known.json", "-f", "sarif"]) == 1
    results = json.loads(capsys.readouterr().out)["runs"][0]["results"]
    assert sorted(result["baselineState"] for result in results) == ["new", "unchanged"]


def test_a_baseline_follows_a_file_that_gets_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = (
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: one, namespace: shop}\nspec: {podSelecter: {}}\n"
    )
    (tmp_path / "k8s").mkdir()
    (tmp_path / "k8s" / "app.yaml").write_text(policy)
    monkeypatch.chdir(tmp_path)
    assert run(["k8s", "-q", "-f", "json", "-o", "known.json"]) == 1
    (tmp_path / "k8s" / "app.yaml").rename(tmp_path / "k8s" / "policy.yaml")
    assert run(["k8s", "-q", "--baseline", "known.json"]) == 0
    (tmp_path / "k8s" / "app.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n")
    assert run(["k8s", "-q", "--baseline", "known.json"]) == 1, (
        "the old file is still there: the new one has a finding of its own"
    )


def test_a_baseline_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.json").write_text("[]")
    assert run([str(tmp_path), "--baseline", str(tmp_path / "x.json")]) == 2
    assert "is no report" in capsys.readouterr().err


def test_since_shows_what_a_change_causes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pods, policy = tmp_path / "k8s" / "pods.yaml", tmp_path / "k8s" / "policy.yaml"
    pods.parent.mkdir()
    pods.write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web}}\nspec: {containers: [{name: c, image: i}]}\n"
    )
    policy.write_text(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web, namespace: shop}\nspec: {podSelector: {matchLabels: {app: web}}}\n---\n"
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: old, namespace: shop}\nspec: {podSelector: {matchLabels: {app: old}}}\n"
    )
    monkeypatch.chdir(tmp_path)
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "one"],
    ):
        subprocess.run(["git", *command], check=True)
    pods.write_text(pods.read_text().replace("app: web", "app: wub"))
    capsys.readouterr()
    run(["k8s", "--since", "HEAD", "-q", "-f", "concise"])
    found = capsys.readouterr().out.splitlines()
    assert [line.split(" ", 1)[0] for line in found] == ["k8s/policy.yaml:4:41:"], (
        "the file that breaks has not changed, and what was wrong before does not count"
    )
    assert run(["k8s", "--since", "nothing", "-q"]) == 2
    assert "git knows no commit 'nothing'" in capsys.readouterr().err
    subprocess.run(["git", "mv", "k8s/policy.yaml", "k8s/other \u00fc.yaml"], check=True)
    (tmp_path / "k8s" / "other \u00fc.yaml").write_text("# renamed\n" + (tmp_path / "k8s" / "other \u00fc.yaml").read_text())
    for paths in (["k8s"], ["."], ["k8s", "analyzer.yaml"]):
        run([*paths, "--since", "HEAD", "-q", "-f", "concise"])
        found = [line for line in capsys.readouterr().out.splitlines() if "policy-" in line]
        assert [line.split(": ")[0] for line in found] == ["k8s/other \u00fc.yaml:5:41"], (
            "what was wrong before does not count under the file's new name either"
        )


def test_every_command_reads_by_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "app.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nspec: {containers: [{name: c, image: i}]}\n"
    )
    (tmp_path / "left-out.yaml").write_text(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: all, namespace: shop}\nspec: {podSelector: {}}\n"
    )
    there = "{apiVersion: v1, kind: Pod, metadata: {name: there, namespace: away}, spec: {containers: [{name: c, image: i}]}}"
    (tmp_path / "analyzer.yaml").write_text(f"cni: calico\nexclude: left-out.yaml\nassume: {{objects: [{there}]}}\n")
    monkeypatch.chdir(tmp_path)
    assert run(["ask", ".", "away/there reaches shop/web"]) == 0
    assert "calico" in capsys.readouterr().out
    assert run(["trace", ".", "--from", "away/there", "--to", "shop/web"]) == 0
    assert run(["connectivity", ".", "-q"]) == 0
    assert "away/there" in capsys.readouterr().out
    (tmp_path / "analyzer.yaml").write_text("cny: calico\n")
    for command in (["ask", ".", "can a/b reach c/d"], ["connectivity", "."], ["diff", ".", "."], ["."]):
        assert run(command) == 2
        assert "analyzer.yaml:1:6: there is no setting cny; did you mean cni?" in capsys.readouterr().err
    (tmp_path / "analyzer.yaml").write_text("assume: {paths: [gone.yaml]}\n")
    for command in (["ask", ".", "can a/b reach c/d"], ["connectivity", "."], ["diff", ".", "."], ["."], ["fleet", "."]):
        assert run(command) == 2
        assert "analyzer.yaml:1:18: gone.yaml: cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("k8s/*.yaml", "k8s/a.yaml", True),
        ("k8s/*.yaml", "k8s/a/b.yaml", False),
        ("k8s", "k8s/a/b.yaml", True),
        ("k8s/", "k8sx/a.yaml", False),
        ("**/tests/*", "a/b/tests/c.yaml", True),
        ("**/tests/*", "tests/c.yaml", True),
        ("a.yaml", "axyaml", False),
        ("./a?.yaml", "ab.yaml", True),
    ],
)
def test_patterns_of_paths(pattern: str, path: str, fits: bool) -> None:
    assert bool(glob(pattern).fullmatch(path)) is fits


INTENTS = json.loads((ROOT / "analyzer" / "settings" / "intents-schema.json").read_text())


@pytest.mark.parametrize("path", sorted((ROOT / "samples" / "settings").glob("intents*.txt")), ids=lambda path: path.stem)
def test_the_schema_of_intents_takes_what_the_reader_takes(path: Path) -> None:
    text = files_of(path.read_text())["intents.yaml"]
    try:
        intents_in("intents.yaml", text)
        taken = True
    except Wrong:
        taken = False
    assert jsonschema.Draft202012Validator(INTENTS).is_valid(table("intents.yaml", text)[0]) is taken


@pytest.mark.parametrize("option", ["--config", "--baseline", "--intents", "--batch"])
def test_what_never_ends_is_refused(option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pod.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n")
    assert run(["trace" if option == "--batch" else "check", str(tmp_path / "pod.yaml"), option, "/dev/zero", "-q"]) == 2
    assert "/dev/zero" in capsys.readouterr().err
