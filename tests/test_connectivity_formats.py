"""``analyze connectivity``: sample clusters with what is printed, the schema, and formats that hostile names cannot break."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import xml.dom.minidom
from html.parser import HTMLParser
from pathlib import Path
from random import Random

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.api import load
from analyzer.cli import run
from analyzer.pipeline import read_input
from analyzer.query.connectivity.answer import Focus, connectivity
from analyzer.query.connectivity.entrances import entrances
from analyzer.query.connectivity.exposure import exposure
from analyzer.query.policies import policies
from analyzer.report.connectivity import format_names
from tests.format_checks import check_github, check_gitlab, check_junit, check_sarif

SAMPLES = Path(__file__).parent.parent / "samples" / "connectivity"
CASES = sorted(path for path in SAMPLES.iterdir())
SCHEMA = json.loads((Path(__file__).parent.parent / "analyzer" / "report" / "schemas" / "connectivity.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_samples(case: Path, update: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """``commands`` has the options of a call on each line; ``expected.txt`` what each prints."""
    monkeypatch.chdir(case)
    found = ""
    for line in (case / "commands").read_text().splitlines():
        assert run(["connectivity", "manifests.yaml", "-q", *line.split()]) == 0
        printed = capsys.readouterr().out
        if "-f json" in line:
            VALIDATOR.validate(json.loads(printed))
        found += f"$ {line}".rstrip() + f"\n{printed}\n"
    expected = case / "expected.txt"
    if update:
        expected.write_text(found)
    assert found == expected.read_text()


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_damaged_manifests_are_read_as_far_as_they_go(case: Path) -> None:
    text = (case / "manifests.yaml").read_text()
    for seed in range(40):
        random = Random(seed)
        lines = text.splitlines(keepends=True)
        for _ in range(4):
            place = random.randrange(len(lines))
            lines[place] = random.choice(
                ["", lines[place][: random.randint(0, len(lines[place]))] + "\n", random.choice(lines), "x: [\n"]
            )
        known = policies(read_input(("-",), io.BytesIO("".join(lines).encode())).network.cluster)
        entrances(known, connectivity(known, Focus(nodes=True)).parties)
        exposure(known, Focus())


FIELDS = [
    "rules",
    "http",
    "paths",
    "backend",
    "service",
    "name",
    "port",
    "number",
    "to",
    "kind",
    "parentRefs",
    "backendRefs",
    "namespace",
]
JUNK = st.recursive(
    st.sampled_from([None, True, 0, 80, "", "x", "web", "main", 1.5]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(FIELDS),
            inner,
            max_size=3,
        )
    ),
)


@given(st.lists(JUNK, min_size=5, max_size=5))  # type: ignore[untyped-decorator]
@settings(deadline=None, database=None)  # type: ignore[untyped-decorator]
def test_whatever_routes_hold_is_read(specs: list[object]) -> None:
    groups = (
        "networking.k8s.io/v1",
        "route.openshift.io/v1",
        "gateway.networking.k8s.io/v1",
        "gateway.networking.k8s.io/v1beta1",
        "v1",
    )
    kinds = ("Ingress", "Route", "HTTPRoute", "ReferenceGrant", "Service")
    items = [
        {"apiVersion": group, "kind": kind, "metadata": {"name": "web", "namespace": "x"}, "spec": spec}
        for group, kind, spec in zip(groups, kinds, specs, strict=True)
    ]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    known = policies(read_input(("-",), io.BytesIO(text.encode())).network.cluster)
    entrances(known, connectivity(known).parties)


NASTY = [
    '"]; x [',
    "<script>alert(1)</script>",
    "a\\",
    "b\u202e",
    "]]>",
    "=1+1",
    "'--%>",
    "n\x1b[31m",
    "}{",
    "&amp;",
    "#quot;",
    "`$(x)`",
]


def hostile(folder: Path) -> Path:
    """Objects whose names are made to break out of whatever they stand in."""
    items = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": NASTY[-number - 1]},
            "spec": {"containers": []},
        }
        for number, name in enumerate(NASTY)
    ]
    path = folder / "objects.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    return path


def written(folder: Path, format: str, path: Path) -> str:
    """What is written in a format."""
    target = folder / f"out.{format}"
    assert run(["connectivity", str(path), "-q", "-f", format, "-o", str(target)]) == 0
    return target.read_text(encoding="utf-8")


@pytest.mark.parametrize("format", format_names())
def test_hostile_names_reach_no_terminal(format: str, tmp_path: Path) -> None:
    text = written(tmp_path, format, hostile(tmp_path))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", text)
    assert text.endswith("\n") or (format == "github" and not text)


def test_json_keeps_its_schema_whatever_names_are(tmp_path: Path) -> None:
    document = json.loads(written(tmp_path, "json", hostile(tmp_path)))
    VALIDATOR.validate(document)
    assert len(document["endpoints"]) == len(NASTY)


def test_csv_has_no_formulas(tmp_path: Path) -> None:
    rows = list(csv.reader(io.StringIO(written(tmp_path, "csv", hostile(tmp_path)))))
    assert {len(row) for row in rows} == {9}
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)


def test_svg_is_xml_without_foreign_elements(tmp_path: Path) -> None:
    document = xml.dom.minidom.parseString(written(tmp_path, "svg", hostile(tmp_path)))
    assert {node.tagName for node in document.getElementsByTagName("*")} == {"svg", "title", "style", "rect", "text"}


def test_dot_keeps_names_in_their_strings(tmp_path: Path) -> None:
    text = written(tmp_path, "dot", hostile(tmp_path))
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', "", text)
    assert set(re.findall(r"[^\s\w]", outside)) <= set("{}[]=;,->.")


def test_mermaid_keeps_names_in_their_quotes(tmp_path: Path) -> None:
    for line in written(tmp_path, "mermaid", hostile(tmp_path)).splitlines():
        assert re.fullmatch(
            r'flowchart LR| *(end|subgraph s\d+\["[^"<>`]*"\]|n\d+\["[^"<>`]*"\]|n\d+ -\.?->\|"[^"<>`]*"\| n\d+)', line
        )


class Page(HTMLParser):
    """The elements of a page, and what stands in its scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, str] = {}
        self.open = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        kind = dict(attrs).get("type") or tag
        self.open = kind if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        del tag
        self.open = ""

    def handle_data(self, data: str) -> None:
        if self.open:
            self.inside[self.open] = self.inside.get(self.open, "") + data


def test_the_page_runs_its_own_script_only_and_loads_nothing(tmp_path: Path) -> None:
    page = Page()
    page.feed(written(tmp_path, "html", hostile(tmp_path)))
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert not any(name in ("src", "srcset") or name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert {attributes["href"] for _, attributes in page.tags if "href" in attributes} == {"#main"}
    policy = next(attributes["content"] or "" for tag, attributes in page.tags if attributes.get("http-equiv"))
    assert "default-src 'none'" in policy
    for tag in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(page.inside[tag].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert len(json.loads(page.inside["application/json"])["names"]) == len(NASTY) + 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--port", "http"], "--port wants a port such as 80"),
        (["--port", "0"], "--port wants a port such as 80"),
        (["--port", "1/ICMP"], "ICMP has no ports"),
        (["--from", "shop/nobody"], "there is no pod shop/nobody in the input"),
        (["--cni", "netware"], "'netware' is no network system that is known"),
        (["--policy-switch", "x"], "expected NAME=VALUE"),
        (["-o", "json:"], "-o wants a file name"),
        (["--to", "svc:shop/web", "--port", "81"], "service shop/web has no port 81/TCP that leads to a pod"),
    ],
)
def test_wrong_usage_says_what_was_expected(options: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["connectivity", str(SAMPLES / "entrances" / "manifests.yaml"), "-q", *options]) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.out == ""


def test_what_is_not_certain_counts_when_strict(capsys: pytest.CaptureFixture[str]) -> None:
    shop, exposed = (str(SAMPLES / name / "manifests.yaml") for name in ("shop", "entrances"))
    assert run(["connectivity", shop, "--strict"]) == 3
    assert (
        run(["connectivity", exposed, "--strict", "--policy-switch", "port-rules-admit-other-protocols=no", "--from", "outside"])
        == 0
    )
    assert "endpoints" in capsys.readouterr().err


def test_the_documentation_shows_what_is_printed() -> None:
    page = (SAMPLES.parent.parent / "docs" / "connectivity.md").read_text()
    shown = page.split("```")[1].partition("manifests.yaml\n")[2]
    assert shown == (SAMPLES / "shop" / "expected.txt").read_text().partition("\n\n$ ")[0].removeprefix("$\n") + "\n"


def test_from_python() -> None:
    capture = load(SAMPLES / "shop" / "manifests.yaml")
    assert repr(capture.connectivity()) == "<connectivity: 3 endpoints, 5 links, 5 uncertain>"
    (link,) = capture.connectivity("shop/web", "shop/db").links
    assert (link.sources, link.destinations, list(map(str, link.allow))) == (
        ("shop/web[Deployment]",),
        ("shop/db[StatefulSet]",),
        ["TCP 5432,8000-8010"],
    )


CHECKS = {"sarif": check_sarif, "junit": check_junit, "github": check_github, "gitlab": check_gitlab}


@pytest.mark.parametrize("format", CHECKS)
def test_tools_are_told_what_is_reached_from_outside(format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(SAMPLES)
    text = written(tmp_path, format, Path("entrances") / "manifests.yaml")
    CHECKS[format](text)
    assert text.count("entrances/manifests.yaml") >= 11
    assert "is kept from shop/web" in text
    assert "reaches open/open" in text


@pytest.mark.parametrize(
    ("named", "file", "hinted"),
    [
        ("json", "report.html", "report.html is written as json, as -f says; -o html:report.html writes html"),
        ("text", "report.md", "report.md is written as text, as -f says; -o markdown:report.md writes markdown"),
        ("html", "report.html", ""),
        ("gitlab", "report.json", ""),
        ("json", "report.out", ""),
    ],
)
def test_a_file_with_the_ending_of_another_format_is_told(
    named: str, file: str, hinted: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for quiet in ((), ("-q",)):
        assert run(["connectivity", str(SAMPLES / "shop" / "manifests.yaml"), "-f", named, "-o", file, *quiet]) == 0
        errors = capsys.readouterr().err
        assert ("is written as" in errors) == bool(hinted and not quiet)
        assert quiet or hinted in errors


def test_several_formats_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = [f"{name}:{tmp_path / name}" for name in ("json", "csv", "html")]
    arguments = [str(SAMPLES / "shop" / "manifests.yaml"), "-q", *(word for item in outputs for word in ("-o", item))]
    assert run(["connectivity", *arguments]) == 0
    assert "policies read as" in capsys.readouterr().out
    assert json.loads((tmp_path / "json").read_text())["schema"] == "analyzer.connectivity/1"
    assert (tmp_path / "html").read_text().startswith("<!DOCTYPE html>")
