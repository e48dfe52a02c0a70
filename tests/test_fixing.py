"""``--fix`` and ``--diff``: edits are made where the text is what was analysed, and nowhere else."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from random import Random

import pytest

from analyzer.cli import run
from analyzer.cli.fixing import edited
from analyzer.findings import Edit
from analyzer.source import Span

POD = """\
# analyze: ignore[policy-rejected] long gone
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}  # analyze: ignore[policy-rejected] long gone
spec: {containers: [{name: c, image: i}]}
"""
MENDED = """\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec: {containers: [{name: c, image: i}]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "k8s").mkdir()
    (tmp_path / "k8s" / "pod.yaml").write_text(POD)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_fix_leaves_nothing_to_mend(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["k8s", "--fix", "-f", "concise"]) == 0
    assert (folder / "k8s" / "pod.yaml").read_text() == MENDED
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "2 findings mended" in shown.err
    assert run(["k8s", "--diff"]) == 0


@pytest.mark.parametrize(
    "paths", [["{here}/k8s"], ["{here}/k8s/pod.yaml"], ["{here}"], ["../{name}/k8s"], ["./k8s/"]], ids=lambda paths: paths[0]
)
def test_a_fix_is_made_by_whatever_path_the_file_is_named(
    folder: Path, paths: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run([*(path.format(here=folder, name=folder.name) for path in paths), "--fix"])
    assert (folder / "k8s" / "pod.yaml").read_text() == MENDED
    assert "2 findings mended" in capsys.readouterr().err


def test_a_fix_keeps_line_ends_marks_and_permissions(folder: Path) -> None:
    path = folder / "k8s" / "pod.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + POD.replace("\n", "\r\n").encode())
    path.chmod(0o640)
    assert run(["k8s", "--fix", "-q"]) == 0
    assert path.read_bytes() == b"\xef\xbb\xbf" + MENDED.replace("\n", "\r\n").encode()
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_patch_says_what_a_fix_does(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "k8s" / "pod.yaml"
    assert run(["k8s", "--diff"]) == 1
    text = capsys.readouterr().out
    assert path.read_text() == POD, "showing changes nothing"
    subprocess.run(["patch", "-p1", "-s"], input=text.encode(), check=True)
    assert path.read_text() == MENDED


def test_what_comes_from_elsewhere_is_not_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run(["tar", "-cf", "k8s.tar", "k8s"], check=True)
    run(["k8s.tar", "--fix"])
    assert "not mended" in capsys.readouterr().err
    assert (folder / "k8s" / "pod.yaml").read_text() == POD


@pytest.mark.parametrize("seed", range(50))
def test_edits_change_their_own_places_only(seed: int) -> None:
    random = Random(seed)
    text = "".join(random.choice("ab\n") for _ in range(random.randrange(30)))
    cuts = sorted(random.sample(range(len(text) + 1), min(len(text) + 1, random.choice((2, 4, 6)))))
    pairs = list(zip(cuts[::2], cuts[1::2], strict=False))

    def place(offset: int) -> tuple[int, int]:
        before = text[:offset]
        return before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1

    edits = [Edit(Span("x", *place(begin), *place(end)), "-") for begin, end in pairs]
    want, last = "", 0
    for begin, end in pairs:
        want, last = want + text[last:begin] + "-", end
    assert edited(text, edits) == want + text[last:]


MISSPELT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replica: 2   # as many as nodes
  selector: {matchLabels: &labels {app: web}}
  template:
    metadata: {labels: *labels}
    spec:
      hostNetwrk: !!bool true
      "dnsPolcy":
        # of the node
        Default
      containers:
      - nam: nam
        'imagePullPolcy': &always Always
        image: nam
        ports: [{containerPrt: 80}, {"containerPrt": 81, x: 1}]
---
{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"},
 "spec": {"clusterIp" : "None", "selecter": {"app": "web"}, "ports": [{"port": 80, "protocl":"TCP"}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {}
  ingress:
  - from: [{ipBlock: {cdir: 10.0.0.0/8, exept: [10.1.0.0/16]}}]
    ports:
    - portt: 80
"""
NAMES = {
    "replica": "replicas",
    "hostNetwrk": "hostNetwork",
    "dnsPolcy": "dnsPolicy",
    "- nam:": "- name:",
    "imagePullPolcy": "imagePullPolicy",
    "containerPrt": "containerPort",
    "clusterIp": "clusterIP",
    "selecter": "selector",
    "protocl": "protocol",
    "cdir": "cidr",
    "exept": "except",
    "portt": "port",
}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_misspelt_field_is_marked_and_mended_in_its_name(folder: Path, end: str, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "k8s" / "pod.yaml").unlink()
    path = folder / "k8s" / "all.yaml"
    path.write_bytes(MISSPELT.replace("\n", end).encode())
    wanted = MISSPELT
    for wrong, right in NAMES.items():
        wanted = wanted.replace(wrong, right)
    chosen = ["--select", "manifest-field-*,policy-rejected"]
    assert run(["k8s", "-f", "json", "-q", *chosen]) == 1
    lines = MISSPELT.split("\n")
    found = [one["at"] for one in json.loads(capsys.readouterr().out)["findings"]]
    marked = [lines[at["line"] - 1][at["column"] - 1 : at["end_column"] - 1] for at in found]
    assert sorted(set(marked)) == sorted({*(name.strip("- :") for name in NAMES), "x"})
    assert run(["k8s", "--fix", "-q", *chosen]) == 1
    assert path.read_bytes().decode() == wanted.replace("\n", end)


DEEP = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelecter: {matchLables: {app: web}}
  policyTypes: [ingress]
  ingres: [{form: [{podSelecter: {matchLables: {app: web}}}], portz: [{protcol: tcp, port: 80}, {"protocol": "udp", port: 53}]}]
"""
DEEP_MENDED = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress]
  ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{protocol: TCP, port: 80}, {"protocol": UDP, port: 53}]}]
"""


def test_what_can_be_mended_is_told_where_it_can_be(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run(["tar", "-cf", "k8s.tar", "k8s"], check=True, cwd=folder)
    run(["k8s"])
    assert capsys.readouterr().err.endswith("\n`--fix` mends 2 findings, `--diff` shows how\n")
    run(["k8s.tar"])
    assert "--fix" not in capsys.readouterr().err
    run(["k8s", "--fix"])
    assert "--diff" not in capsys.readouterr().err


def test_what_stands_inside_of_something_misspelt_is_mended_at_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "k8s" / "policy.yaml"
    path.write_text(DEEP.replace("name: web", "name: other"))
    subprocess.run(["tar", "-cf", "other.tar", "k8s/policy.yaml"], check=True)
    path.write_text(DEEP)
    assert run(["k8s", "other.tar", "--fix", "-f", "concise", "--select", "policy-rejected"]) == 1
    assert path.read_text() == DEEP_MENDED
    error = capsys.readouterr().err
    assert "11 findings mended" in error
    assert error.count("not mended: it did not come from a file of its own") == 1
    assert run(["k8s", "--diff", "--select", "policy-rejected"]) == 0


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_patch_has_what_comes_to_light_once_others_are_made(
    folder: Path, mark: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "k8s" / "policy.yaml"
    path.write_text(mark + DEEP)
    assert run(["k8s", "--diff", "--select", "policy-rejected"]) == 1
    text = capsys.readouterr().out
    assert path.read_text() == mark + DEEP, "showing changes nothing"
    assert text.count("--- a/k8s/policy.yaml") == 1
    subprocess.run(["patch", "-p1", "-s", "--binary"], input=text.encode(), check=True)
    assert path.read_text() == mark + DEEP_MENDED


@pytest.mark.parametrize("name", ["pod.yaml", "a pod.yaml", "péd.yaml"])
@pytest.mark.parametrize("tool", [["git", "apply"], ["patch", "-p1", "-s", "--binary"]])
def test_a_patch_fits_files_with_marks_and_odd_characters(
    folder: Path, name: str, tool: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    odd = "\ufeff# a\u2028b\x85\r\n" + POD.replace("\n", "\r\n").rstrip("\r\n")
    (folder / "k8s" / "pod.yaml").unlink()
    path = folder / "k8s" / name
    path.write_bytes(odd.encode())
    assert run(["k8s", "--diff"]) == 1
    text = capsys.readouterr().out
    subprocess.run(tool, input=text.encode(), check=True)
    assert path.read_bytes() == ("\ufeff# a\u2028b\x85\r\n" + MENDED.replace("\n", "\r\n").rstrip("\r\n")).encode()


UNFIT = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: a, namespace: shop}
spec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {serviceName: web, servicePort: 80}}]}}]}
---
apiVersion: v1
kind: Service
metadata: {name: a, namespace: shop}
spec:
  selector: {app: web}
  selectr: {app: web}
  port: 80
  ports: [{port: 80, prt: 80, porrt: 80}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: a, namespace: shop}
spec:
  podSelector: {app: web}
  podSelecter: {matchLabels: {app: web}, matchLabel: {app: web}}
  ingress: [{port: 80}]
"""


def test_no_field_is_written_that_is_there_already_or_cannot_hold_the_value(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "k8s" / "pod.yaml").unlink()
    (folder / "k8s" / "unfit.yaml").write_text(UNFIT)
    assert run(["k8s", "--diff", "-q"]) == 0
    run(["k8s", "-q", "--select", "manifest-field-unknown,policy-rejected"])
    told = capsys.readouterr().out
    assert "write service: {name: …}" in told
    assert "unknown field 'app' in a label selector: labels stand below matchLabels" in told
    assert "did you mean port?" not in told
    assert "did you mean ports, a list?" in told
