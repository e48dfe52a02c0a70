"""Traces, questions, differences and pictures of networks in the formats of tools: each keeps the format's own rules, and paths lead to files from here."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from analyzer.cli import run
from analyzer.cli.outputs import TOLD
from tests.format_checks import check_github, check_gitlab, check_junit, check_markdown, check_sarif
from tests.test_page import asked, browser, opened

ROOT = Path(__file__).parent.parent
PEERS = ["samples/clusters/peer-pods"]
CALLS = {
    "trace": ["trace", *PEERS, "--from", "node:ocp-412-ovn-worker-1", "--to", "default/nginx-priv"],
    "trace-arrives": ["trace", "samples/ask/shop/input", "--from", "shop/web", "--to", "shop/api", "--port", "9000/TCP"],
    "ask": [
        "ask",
        "samples/ask/shop/input",
        "shop/web reaches shop/api on 9000",
        "shop/api reaches shop/web on 9000",
        "what is this",
    ],
    "diff": ["diff", "samples/diff/default-deny-added/old", "samples/diff/default-deny-added/new"],
    "whatif": ["whatif", "samples/ask/shop/input", "--delete", "NetworkPolicy/shop/web"],
}
GRAPHS = {**CALLS, "check": ["check", *PEERS], "check-manifests": ["check", "samples/ask/shop/input"]}
HOSTILE = 'a"b</script><b>|`x`\n::error::\x1b[31m'


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are from the project's folder."""
    monkeypatch.chdir(ROOT)


def written(call: list[str], format: str, folder: Path) -> str:
    """What a call writes in a format."""
    target = folder / f"out-{format}"
    assert run([*call, "-q", "-o", f"{format}:{target}", "-o", f"json:{folder / 'json'}"]) in (0, 1, 2, 3)
    return target.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("format", TOLD)
def test_twice_the_same_bytes_without_control_characters(name: str, format: str, tmp_path: Path) -> None:
    text = written(CALLS[name], format, tmp_path)
    assert text == written(CALLS[name], format, tmp_path)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", text)


@pytest.mark.parametrize("name", CALLS)
def test_tools_read_them(name: str, tmp_path: Path) -> None:
    log = check_sarif(written(CALLS[name], "sarif", tmp_path))
    junit = check_junit(written(CALLS[name], "junit", tmp_path))
    issues = check_gitlab(written(CALLS[name], "gitlab", tmp_path))
    annotations = check_github(written(CALLS[name], "github", tmp_path))
    if name not in ("diff", "whatif"):
        check_markdown(written(CALLS[name], "markdown", tmp_path))
    results = log["results"]
    if name == "trace-arrives":
        assert (results, issues, annotations) == ([], [], [])
        assert junit.get("failures") == "0"
        return
    assert results
    assert annotations
    paths = {place["physicalLocation"]["artifactLocation"]["uri"] for item in results for place in item["locations"]}
    assert all((ROOT / path).is_file() for path in paths)


def test_a_question_is_a_test(tmp_path: Path) -> None:
    questions = tmp_path / "questions.txt"
    questions.write_text("# what the shop relies on\nshop/web reaches shop/api on 9000\nshop/api reaches shop/web on 9000\n")
    call = ["ask", "samples/ask/shop/input", "--file", str(questions)]
    suite = check_junit(written(call, "junit", tmp_path))
    names = [case.get("name") for case in suite.iter("testcase")]
    assert "shop/api reaches shop/web on 9000" in names
    log = check_sarif(written(call, "sarif", tmp_path))
    lines = [item["locations"][0]["physicalLocation"]["region"]["startLine"] for item in log["results"]]
    assert lines
    assert set(lines) <= {2, 3}


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_name_each_node_before_its_edges(name: str, tmp_path: Path) -> None:
    flowchart = written(GRAPHS[name], "mermaid", tmp_path).splitlines()
    assert flowchart[0] == "flowchart LR"
    nodes = {found[1] for line in flowchart if (found := re.match(r'\s+(n\d+)\["[^"]*"\]$', line))}
    ends = [re.match(r'\s+(n\d+) [-.>]+(?:\|"[^"]*"\|)? (n\d+)$', line) for line in flowchart if re.match(r"\s+n\d+ [-.]", line)]
    assert all(found is not None and {found[1], found[2]} <= nodes for found in ends)
    dot = written(GRAPHS[name], "dot", tmp_path)
    assert dot.count("{") == dot.count("}")
    if (graphviz := shutil.which("dot")) is not None:
        subprocess.run([graphviz, "-Tsvg"], input=dot, text=True, capture_output=True, check=True)


def test_the_picture_shows_where_the_packet_is_lost(tmp_path: Path) -> None:
    topology = ElementTree.fromstring(written(GRAPHS["check"], "svg", tmp_path))
    lost = [item for item in topology.iter("{http://www.w3.org/2000/svg}path") if item.get("class") == "lost"]
    assert len(lost) == 1
    assert "node-to-pod" in "".join(lost[0].itertext())
    way = ElementTree.fromstring(written(CALLS["trace"], "svg", tmp_path))
    assert [item.get("class") for item in way.iter("{http://www.w3.org/2000/svg}g")][-1] == "bad"


NODE = "---\napiVersion: v1\nkind: Node\nmetadata: {name: n1}\nstatus: {addresses: [{type: InternalIP, address: 192.0.2.1}]}\n"


def test_of_manifests_the_picture_is_who_may_talk_to_whom_and_no_packet_is_lost(tmp_path: Path) -> None:
    """Also where a node is declared, on which nobody is known to be."""
    folder = tmp_path / "input"
    shutil.copytree("samples/start/k8s", folder)
    (folder / "node.yaml").write_text(NODE)
    for paths in (["samples/start/k8s"], [str(folder)]):
        picture = written(["check", *paths], "svg", tmp_path)
        assert picture == written(["connectivity", *paths], "svg", tmp_path)
        assert 'class="some"' in picture
        assert "packets that are lost" not in written(["check", *paths], "html", tmp_path)


@browser
@pytest.mark.parametrize("name", CALLS)
def test_pages_open_and_keep_nobody_out(name: str, tmp_path: Path) -> None:
    text = written(CALLS[name], "html", tmp_path)
    assert "<h1>" in opened(text, tmp_path)
    axe = pytest.importorskip("axe_core_python")
    library = next(Path(axe.__file__).parent.rglob("axe.min.js")).read_text().replace("</script", "<\\/script")
    script = f"{library}\nfunction test() {{ for (const d of document.querySelectorAll('details')) d.open = true; return axe.run().then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.html)])); }}"
    assert asked(text, script, tmp_path) == []


def outside_of_blocks(text: str) -> str:
    """Markdown without its blocks of code."""
    return re.sub(r"^(`{3,})text\n.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("format", TOLD)
def test_hostile_names_stay_text(format: str, tmp_path: Path) -> None:
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}},
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": HOSTILE, "namespace": "shop", "labels": {"a": HOSTILE}},
            "spec": {},
        },
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": HOSTILE, "namespace": "shop"},
            "spec": {"podSelector": {}},
        },
    ]
    path = tmp_path / "objects.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    for call in (["ask", str(path), "ns:shop reaches ns:shop"], ["diff", str(path), "samples/ask/shop/input"]):
        text = written(call, format, tmp_path)
        assert "<b>|" not in outside_of_blocks(text) or format in ("dot", "concise", "github", "junit", "sarif", "gitlab")
        assert "\x1b" not in text
        assert not any(line.startswith("::error::") for line in text.splitlines())


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (["-o", "sarif:"], "-o wants a file name"),
        (["-o", "pdf:out"], "pdf is no format of this command"),
    ],
)
def test_wrong_usage_says_what_was_expected(call: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command in CALLS.values():
        assert run([*command, "-q", *call]) == 2
        assert said in capsys.readouterr().err


def test_a_file_says_its_format_by_its_name(tmp_path: Path) -> None:
    target = tmp_path / "trace.sarif"
    assert run([*CALLS["trace"], "-q", "-o", str(target)]) == 1
    check_sarif(target.read_text())


def test_nothing_fails_where_never_is_wanted(tmp_path: Path) -> None:
    for name in ("trace", "ask", "diff"):
        status = run([*CALLS[name], "-q", "-o", str(tmp_path / "out"), "--fail-on", "never"])
        assert status == (2 if name == "ask" else 0), "a question that is not understood stays wrong usage"
