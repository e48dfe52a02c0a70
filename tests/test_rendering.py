"""Charts and kustomizations: rendered by the user's own tools, and found where they were written. The tools stand in as small scripts that print
what the real ones print for the folders below."""

from __future__ import annotations

import os
import random
from pathlib import Path
from time import monotonic

import pytest
import yaml

from analyzer.capture import load
from analyzer.capture.choices import Rendering
from analyzer.capture.templates import running
from analyzer.capture.templates.laying import laid_out
from analyzer.capture.templates.on_nodes import on_nodes
from analyzer.cli import run

TEMPLATE = """\
{{- if .Values.policy }}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "web.name" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "web.labels" . | nindent 4 }}
spec:
  {{- with .Values.selector }}
  podSelecter: {{ toYaml . }}
  {{- end }}
{{- end }}
"""
RENDERED = """\
---
# Source: web/templates/policy.yaml
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: release-web
  namespace: shop
  labels:
    app: web
    chart: web
spec:
  podSelecter: {}
"""


def tool(folder: Path, name: str, script: str) -> None:
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    chart = tmp_path / "deploy" / "web"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 1.0.0\n")
    (chart / "templates" / "policy.yaml").write_text(TEMPLATE)
    (chart / "templates" / "plain.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n")
    (tmp_path / "deploy" / "more.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: more}\n")
    return tmp_path


def test_a_chart_is_rendered_and_found_on_its_own_lines(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "rendered").write_text(RENDERED)
    tool(folder, "helm", f'echo "$@" > {folder}/called; cat {folder}/rendered')
    assert run(["deploy", "-q", "-f", "concise", "--values", "prod.yaml"]) == 1
    found = capsys.readouterr().out
    assert "deploy/web/templates/policy.yaml:11:3: error[policy-rejected] unknown field 'spec.podSelecter'" in found
    assert (folder / "called").read_text().split() == [
        "template",
        "release",
        "deploy/web",
        "--skip-tests",
        "--values",
        "prod.yaml",
    ]


@pytest.mark.usefixtures("folder")
def test_a_chart_without_helm_is_one_gap(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["deploy", "-q", "-f", "concise", "--strict"]) == 3
    found = capsys.readouterr().out.splitlines()
    assert len(found) == 1
    assert found[0].startswith("deploy/web/Chart.yaml:1:1: gap a Helm chart: 1 template not read")
    assert {source.path for source in load(("deploy",)).sources} == {"more.yaml", "web/templates/plain.yaml"}


def test_a_chart_that_cannot_be_rendered_says_why(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tool(folder, "helm", 'echo "Error: missing in charts/ directory: redis" >&2; exit 1')
    assert run(["deploy", "-q", "-f", "concise"]) == 3
    assert (
        "deploy/web:1:1: gap not rendered: helm template: Error: missing in charts/ directory: redis" in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("yes 'a: b'", "it prints more than is read of one file"),
        ("yes failed >&2", "it complains without end"),
        ("sleep 30; echo", "it took more than 1 seconds"),
        ("head -c 99 /dev/zero", "it prints what is no text"),
        ("printf '\\377'", "it prints what is no text"),
        ("kill -9 $$", "it failed"),
        ('echo "E1129 21:39:33.780191   $$ run.go:72] no such file" >&2; exit 1', "no such file"),
    ],
)
def test_a_tool_that_misbehaves_is_ended_and_loses_nothing_else(
    folder: Path, script: str, why: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "SECONDS", 1.0)
    monkeypatch.setattr(running, "FILE_BYTES", 1 << 20)
    if script.startswith("yes"):
        monkeypatch.setattr(running, "SECONDS", 30.0)
    tool(folder, "helm", script)
    begin = monotonic()
    assert run(["deploy", "-q", "-f", "concise"]) == 3
    assert monotonic() - begin < 15
    assert capsys.readouterr().out == f"deploy/web:1:1: gap not rendered: helm template: {why}\n"
    assert {source.path for source in load(("deploy",)).sources} >= {"more.yaml"}


def test_a_tool_that_prints_no_object_leaves_the_files_as_they_lie(overlay: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tool(overlay, "kubectl", "echo done")
    assert run(["base", "-q", "-f", "concise"]) == 1
    found = capsys.readouterr().out
    assert "base/policy.yaml:8:3: error[policy-rejected]" in found
    assert "base/kustomization.yaml:1:1: gap not rendered: kubectl kustomize prints no object" in found


def test_what_rendering_leaves_as_it_is_stands_as_it_is_written(overlay: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flow = "---\n# one\nkind: NetworkPolicy\napiVersion: networking.k8s.io/v1\nmetadata: {namespace: shop, name: web}\nspec: {podSelecter: {}}\n"
    (overlay / "base" / "policy.yaml").write_text(flow)
    block = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: web\n  namespace: shop\nspec:\n  podSelecter: {}\n"
    (overlay / "rendered").write_text(block)
    tool(overlay, "kubectl", f"cat {overlay}/rendered")
    assert run(["base", "-q", "-f", "concise"]) == 1
    assert "base/policy.yaml:6:8: error[policy-rejected]" in capsys.readouterr().out


def test_nothing_is_rendered_where_that_is_not_wanted(folder: Path) -> None:
    tool(folder, "helm", f"touch {folder}/called")
    run(["deploy", "-q", "--render", "off"])
    load(("deploy",))
    assert not (folder / "called").exists()


@pytest.fixture
def overlay(folder: Path) -> Path:
    base, prod = folder / "base", folder / "prod"
    base.mkdir()
    prod.mkdir()
    (base / "kustomization.yaml").write_text("resources: [policy.yaml]\n")
    (prod / "kustomization.yaml").write_text("namePrefix: prod-\nresources: [../base]\n")
    policy = "# of the team\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: web\n  namespace: shop\nspec:\n  podSelecter: {}\n"
    (base / "policy.yaml").write_text(policy)
    (folder / "rendered").write_text(policy.replace("# of the team\n", "").replace("name: web", "name: prod-web"))
    return folder


def test_a_kustomization_is_rendered_and_found_in_its_base(overlay: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tool(overlay, "kubectl", f'echo "$@" > {overlay}/called; cat {overlay}/rendered')
    assert run(["prod", "-q", "-f", "concise"]) == 1
    assert "base/policy.yaml:8:3: error[policy-rejected]" in capsys.readouterr().out
    assert (overlay / "called").read_text().split() == ["kustomize", "prod"]


def test_a_base_is_shown_as_it_is_written_and_its_comments_count(overlay: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = (
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: web\nspec:\n  podSelector: {}\n  ingress:\n"
        "  - from:\n    - podSelector: {matchLabels: {app: none}}  # only these\n"
        "  - from: [{podSelector: {matchLabels: {app: none}}}]  # analyze: ignore[policy-peer-matches-nothing] it comes later\n"
    )
    pod = (
        "---\napiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nspec: {containers: [{name: web, image: web}]}\n"
    )
    (overlay / "base" / "policy.yaml").write_text(policy + pod)
    (overlay / "rendered").write_text(policy.replace("  name: web\n", "  name: prod-web\n  namespace: shop\n") + pod)
    tool(overlay, "kubectl", f"cat {overlay}/rendered")
    run(["prod", "-q", "--select", "policy-peer-matches-nothing", "--select", "unused-ignore"])
    found = capsys.readouterr().out
    assert (
        "--> base/policy.yaml:9:40\n9 |     - podSelector: {matchLabels: {app: none}}  # only these\n  |                                        ^^^^"
        in found
    )
    assert found.count("warning[") == 1
    assert "ignored: 1 beside the lines" in found


def test_what_overlays_have_of_one_base_is_told_once(overlay: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (overlay / "test").mkdir()
    (overlay / "test" / "kustomization.yaml").write_text("namespace: test\nresources: [../base]\n")
    service = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  ports: [{port: 80, targetport: 80}]\n"
    (overlay / "base" / "policy.yaml").write_text(service)
    (overlay / "rendered").write_text(service.replace("  name: web", "  name: web\n  namespace: NAME"))
    tool(overlay, "kubectl", f'sed "s|NAME|$(basename $2)|" {overlay}/rendered')
    run([".", "-q", "--select", "manifest-field-unknown"])
    found = capsys.readouterr().out
    assert found.count("--> base/policy.yaml:6:22") == 1
    assert "note: likewise in 1 other rendering of this file" in found


def test_what_a_rendering_puts_into_a_base_is_not_written_there(overlay: Path, capsys: pytest.CaptureFixture[str]) -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  ports: [{port: 80}]\n"
    (overlay / "base" / "policy.yaml").write_text(service)
    (overlay / "rendered").write_text(service + "  type: Loadbalancer\n")
    tool(overlay, "kubectl", f"[ $2 = base ] && cat {overlay}/base/policy.yaml || cat {overlay}/rendered")
    for paths in (["prod"], ["prod", "base/policy.yaml"], ["base", "prod"]):
        run([*paths, "-q", "--fix"])
        assert "'Loadbalancer' must be LoadBalancer" in capsys.readouterr().out
        assert (overlay / "base" / "policy.yaml").read_text() == service


def test_what_a_patch_sets_is_told_at_the_patch(overlay: Path, capsys: pytest.CaptureFixture[str]) -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  ports: [{port: 80}]\n  sessionAffinity: None\n"
    (overlay / "base" / "policy.yaml").write_text(service)
    (overlay / "rendered").write_text(service.replace("None", "ClientIp"))
    (overlay / "prod" / "kustomization.yaml").write_text("resources: [../base]\npatches: [{path: patch.yaml}]\n")
    patch = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {sessionAffinity: ClientIp}"
    (overlay / "prod" / "patch.yaml").write_text(patch + "\n")
    tool(overlay, "kubectl", f"cat {overlay}/rendered")
    assert run(["prod", "-q"]) == 1
    found = capsys.readouterr().out
    assert "--> prod/patch.yaml:4:25\n4 | spec: {sessionAffinity: ClientIp}\n" in found
    assert "::: base/policy.yaml:7:20\n7 |   sessionAffinity: None\n" in found
    (overlay / "prod" / "patch.yaml").write_text(patch + "  # analyze: ignore[manifest-value-refused] it comes\n")
    assert run(["prod", "-q", "--no-cache"]) == 0
    assert "ignored: 1 beside the lines" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["https://example.org/base", "github.com/org/repo//base?ref=v1", "git@example.org:repo.git"])
def test_nothing_is_fetched(overlay: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    tool(overlay, "kubectl", f"touch {overlay}/called")
    (overlay / "base" / "kustomization.yaml").write_text(f'resources: ["{name}"]\n')
    run(["prod", "-q", "-f", "concise"])
    assert f"would fetch {name}" in capsys.readouterr().err
    assert not (overlay / "called").exists()


def test_kustomizations_below_are_rendered_from_the_top(overlay: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tool(overlay, "kubectl", f'echo "$2" >> {overlay}/called; cat {overlay}/rendered')
    test = overlay / "test"
    test.mkdir()
    (test / "kustomization.yaml").write_text("resources: [../base, more.yaml]\npatches: [{path: less.yaml}]\n")
    (test / "more.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n")
    (test / "less.yaml").write_text(
        "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {type: NodePort}\n"
    )
    assert run([".", "-q", "-f", "concise"]) == 1
    found = capsys.readouterr().out.splitlines()
    assert sorted((overlay / "called").read_text().split()) == ["./prod", "./test"]
    assert [line.partition(" ")[0] for line in found if " gap " not in line] == ["base/policy.yaml:8:3:"]


@pytest.mark.usefixtures("folder")
def test_patches_are_no_manifests(capsys: pytest.CaptureFixture[str]) -> None:
    Path("k8s").mkdir()
    named = "resources: [https://example.org/base]\npatches: [{path: one.yaml}]\npatchesStrategicMerge: [two.yaml]\n"
    Path("k8s/kustomization.yaml").write_text(named)
    Path("k8s/one.yaml").write_text("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 2}\n")
    Path("k8s/two.yaml").write_text("apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {type: NodePort}\n")
    Path("k8s/space.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n")
    assert run(["k8s", "-q", "-f", "concise", "--render", "off"]) == 0
    assert run(["k8s", "-q", "-f", "concise"]) == 3
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("k8s/kustomization.yaml:1:1: gap not rendered: it would fetch https://example.org/base")


def test_flux_has_another_kind_of_that_name(overlay: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tool(overlay, "kubectl", f"touch {overlay}/called")
    flux = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps}\nspec: {path: ./apps}\n"
    for name in ("base", "prod"):
        (overlay / name / "kustomization.yaml").write_text(flux)
    assert run([".", "-q", "-f", "concise"]) == 1
    assert "base/policy.yaml:8:3:" in capsys.readouterr().out
    assert not (overlay / "called").exists()


def values(dice: random.Random, depth: int = 0) -> object:
    if depth > 2 or dice.random() < 0.3:
        return dice.choice(
            [1, True, None, "text", "a: b", "x,y", "[1]", "- a", "nginx:1.2", "12:30", "x\ny\n", "ü", "", "yes", "'", "#"]
        )
    if dice.random() < 0.4:
        return [values(dice, depth + 1) for _ in range(dice.randrange(4))]
    return {f"k{number}": values(dice, depth + 1) for number in dice.sample(range(9), dice.randrange(5))}


def changed(dice: random.Random, value: object) -> object:
    if isinstance(value, dict):
        found = {key: changed(dice, item) for key, item in value.items() if dice.random() < 0.9}
        return {**found, **({f"n{dice.randrange(9)}": values(dice, 2)} if dice.random() < 0.4 else {})}
    if isinstance(value, list) and dice.random() < 0.8:
        return [changed(dice, item) for item in value]
    return value if dice.random() < 0.8 else values(dice, 2)


def places(text: str) -> dict[tuple[str, ...], tuple[int, int]]:
    def walk(node: yaml.Node, path: tuple[str, ...]) -> None:
        for key, item in node.value if isinstance(node, yaml.MappingNode) else ():
            found[(*path, key.value)] = (key.start_mark.line, key.start_mark.column)
            walk(item, (*path, key.value))

    found: dict[tuple[str, ...], tuple[int, int]] = {}
    if (top := yaml.compose(text)) is not None:
        walk(top, ())
    return found


@pytest.mark.parametrize("seed", range(60))
def test_what_a_kustomization_leaves_stands_where_it_stood(seed: int) -> None:
    dice = random.Random(seed)
    value = {"apiVersion": "v1", "kind": "K", **{f"a{number}": values(dice) for number in range(4)}}
    original = "---\n" + yaml.safe_dump(value, default_flow_style=dice.choice([False, None]), sort_keys=False, width=60)
    rendered = yaml.safe_dump(changed(dice, value))
    found = on_nodes(rendered, original)
    assert found is not None
    assert yaml.safe_load(found) == yaml.safe_load(rendered)
    mine, its = places(found), places(original)
    assert all(line >= its[path][0] for path, (line, _) in mine.items() if path in its)
    if yaml.safe_load(rendered) == value:
        assert mine == its


def test_what_a_kustomization_changes_stands_at_its_line_and_column() -> None:
    original = (
        "# of the team\nkind: Service\nspec:\n  selector: {app: web}  # all of them\n\n  ports:\n  - name: http\n    port: 80\n"
    )
    rendered = "kind: Service\nmetadata:\n  labels:\n    a: b\nspec:\n  ports:\n  - name: http\n    port: 81\n  selector:\n    app: web\n    team: a\n"
    found = on_nodes(rendered, original) or ""
    its = places(original)
    assert its.items() <= {(key, place) for key, place in places(found).items()}
    assert found.splitlines()[7] == "    port: 81}]}, metadata: {labels: {a: b}}}"


@pytest.mark.parametrize("seed", range(40))
def test_laying_out_says_the_same(seed: int) -> None:
    dice = random.Random(seed)
    value = {
        f"k{number}": dice.choice([1, "text", {"a": [1, {"b": "x\ny\n\nz\n"}]}, ["u", "v"]])
        for number in range(dice.randrange(1, 8))
    }
    rendered = yaml.safe_dump(value, default_style=dice.choice([None, None, "|", '"']), sort_keys=False)
    original = "\n".join(
        line
        for part in rendered.split("\n")
        for line in ([part] if dice.random() < 0.6 else ["{{- if .x }}", part + " {{ .y }}", ""])
    )
    found = laid_out(rendered, original)
    assert yaml.safe_load(found) == yaml.safe_load(rendered)
    assert [line for line in found.split("\n") if line] == [line for line in rendered.split("\n") if line]


def test_the_tools_are_not_needed(folder: Path) -> None:
    assert not os.path.exists(folder / "bin" / "helm")
    assert load(("deploy",), rendering=Rendering()).sources


def test_the_last_thing_that_a_tool_said_is_told() -> None:
    longer = 'E1130 02:37:43.164943    7201 run.go:72] "command failed" err=<\n\ttrouble with `\n\tpath: patch.yaml`\n >\n'
    assert running.reason(longer) == "trouble with ` path: patch.yaml`"
    assert running.reason("warning: old\nE1130 02:37:43.164943    7201 run.go:72] it failed\n") == "it failed"
    assert running.reason("") == "it failed"
    assert running.reason(">") == ">"
