"""The formats that other tools read: each sample's output keeps the format's schema, and hostile text stays text in all of them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import analyzer.report
from analyzer.findings import Finding, Guarantee, Report, Severity, Verdict
from analyzer.pipeline import analyze, read_input
from analyzer.plugins import package_constants
from analyzer.query.rules import INTERNAL, all_rules
from analyzer.query.static import ORDER
from analyzer.report import Format
from analyzer.report.markdown import LIMIT
from analyzer.report.pages import GUARANTEES, page
from analyzer.report.problems import problems
from analyzer.report.style import Style, safe_lines
from analyzer.source import Gap
from tests.captures import files_of
from tests.format_checks import check_github, check_gitlab, check_junit, check_markdown, check_sarif, full, hostile
from tests.test_report import ENTRY, report

ROOT = Path(__file__).parent.parent
FORMATS = {format.name: format for format in package_constants(analyzer.report, "FORMAT", Format)}
SAMPLES = ("peer-pods", "accept-after-reject.bad", "policy-misleading.bad", "several-cni-configs.bad", "leftover-cni.good")
NAMES = ("sarif", "junit", "github", "gitlab", "markdown")


def write(name: str, given: Report, style: Style = Style()) -> str:  # noqa: B008
    return FORMATS[name].write(given, style)


@pytest.fixture(scope="module", params=[*SAMPLES, "all-kinds", "nothing"])
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of a sample, one that has everything, and one that has nothing."""
    if request.param == "all-kinds":
        return full()
    if request.param == "nothing":
        return Report((), (), (), (), ())
    folder = ROOT / "samples" / "clusters" / request.param
    if not folder.is_dir():
        text = (ROOT / "samples" / "rules" / f"{request.param}.txt").read_text()
        folder = tmp_path_factory.mktemp("capture")
        for path, content in files_of(text).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content)
    return analyze(read_input((str(folder),)))


@pytest.mark.parametrize("name", NAMES)
def test_same_report_same_bytes(sample: Report, name: str) -> None:
    assert write(name, sample) == write(name, sample)


def refuted(given: Report) -> set[str]:
    return {item.id for item in given.guarantees if item.verdict is Verdict.REFUTED and not item.by_design}


def test_sarif_keeps_its_published_schema(sample: Report) -> None:
    run = check_sarif(write("sarif", sample))
    found = [item["ruleId"] for item in run["results"]]
    assert sum(rule == "cause" for rule in found) == len(sample.causes)
    assert sorted(rule for rule in found if rule in GUARANTEES) == sorted(refuted(sample))
    assert len(found) == len(list(problems(sample)))


def test_sarif_tells_what_was_not_known(sample: Report) -> None:
    (invocation,) = check_sarif(write("sarif", sample))["invocations"]
    told = [item["descriptor"]["id"] for item in invocation["toolExecutionNotifications"]]
    assert told.count("gap") == len(sample.gaps)
    assert told.count("undecided") == sum(item.verdict is Verdict.UNDECIDED for item in sample.guarantees)
    assert invocation["executionSuccessful"] is ("rule-failed" not in told)
    assert ("rule-failed" in told) is any(item.rule == INTERNAL for item in sample.findings)


def test_sarif_shows_the_hops_and_the_edits() -> None:
    results = {item["ruleId"]: item for item in check_sarif(write("sarif", full()))["results"]}
    steps = results["cause"]["codeFlows"][0]["threadFlows"][0]["locations"]
    assert [step["location"]["message"]["text"] for step in steps] == [
        "n1: send: ICMP echo request to 10.0.0.2; n1: neighbour: 10.0.0.2 is at 0a:58:0a:84:02:2e",
        "vm/podns: drop: the frame is for another MAC",
    ]
    fixes = [item["fixes"] for item in check_sarif(write("sarif", full()))["results"] if "fixes" in item]
    replacements = fixes[0][0]["artifactChanges"][0]["replacements"]
    assert [item["insertedContent"]["text"] for item in replacements] == ["{[fixed]}", "\x07"]
    assert replacements[0]["deletedRegion"] == {"startLine": 1, "startColumn": 28, "endLine": 1, "endColumn": 45}


@pytest.mark.parametrize("name", ["sarif", "gitlab"])
def test_fingerprints_survive_moved_lines(name: str) -> None:
    before = report()
    moved = replace(before.sources[0], content="new line\n" + before.sources[0].text)
    down = ENTRY._replace(line=2, end_line=2)
    findings = (replace(before.findings[0], at=down), *before.findings[1:])
    after = replace(before, sources=(moved, *before.sources[1:]), findings=findings, causes=(replace(before.causes[0], at=down),))
    assert write(name, before) != write(name, after)
    assert marks(write(name, before)) == marks(write(name, after))


def marks(text: str) -> list[str]:
    return re.findall(r'"(?:primaryLocationLineHash|problem/v1|fingerprint)": "(.+)"', text)


def test_every_id_has_its_help() -> None:
    assert list(GUARANTEES) == list(ORDER)
    for rule in all_rules():
        assert page(rule.id).description
        assert page(rule.id).description != page(rule.id).summary
    assert not page("unheard-of").text


def test_junit_keeps_its_schema(sample: Report) -> None:
    root = check_junit(write("junit", sample))
    failing = {case.get("name") for case in root[0] if case.find("failure") is not None}
    assert failing == refuted(sample)
    undecided = {item.id for item in sample.guarantees if item.verdict is Verdict.UNDECIDED}
    assert {case.get("name") for case in root[0] if case.find("error") is not None} == undecided
    assert [suite.get("name") for suite in root] == ["guarantees", *sorted({item.rule for item in sample.findings})]


def test_gitlab_has_the_documented_fields(sample: Report) -> None:
    entries = check_gitlab(write("gitlab", sample))
    explained = {item for cause in sample.causes for item in cause.guarantees}
    found = {item["check_name"] for item in entries if item["severity"] == "critical"}
    assert refuted(sample) - explained <= found
    assert not found & explained
    assert len([item for item in entries if item["check_name"] == "gap"]) == len(sample.gaps)


def test_github_gives_commands(sample: Report) -> None:
    commands = check_github(write("github", sample))
    assert len([item for item in commands if item["kind"] == "error"]) == len(
        [item for item in problems(sample, explained=False) if item.severity is Severity.ERROR]
    )
    assert len([item for item in commands if item["title"] == "not understood"]) <= 10
    assert all(item["line"].isdigit() for item in commands if "file" in item)


def test_markdown_is_read_as_meant(sample: Report) -> None:
    text = write("markdown", sample)
    cells, blocks, _ = check_markdown(text)
    shown = [item.id for item in sample.guarantees if item.verdict is not Verdict.NOT_APPLICABLE]
    assert sorted(row[0] for row in cells[1:]) == sorted(shown)
    assert all(len(row) == 4 for row in cells)
    assert sum(block.startswith("cause:") for block in blocks) == len(sample.causes)
    assert len(re.findall(r"^(?:error|warning|note)\[", "".join(blocks), re.MULTILINE)) == len(sample.findings)


def test_markdown_fits_into_a_comment() -> None:
    many = tuple(Finding("x", Severity.NOTE, f"{number} <&|>" * 400, ENTRY, note="`" * 9999) for number in range(500))
    guarantees = tuple(Guarantee(item, Verdict.REFUTED, "&" * 999, "<" * 999) for item in ORDER)
    gaps = tuple(Gap(ENTRY, "g" * 9999) for _ in range(500))
    text = write("markdown", replace(report(), findings=many, guarantees=guarantees, gaps=gaps), Style(verbose=True))
    assert len(text) <= LIMIT + 100
    _, blocks, _ = check_markdown(text)
    more = re.search(r"^… and (\d+) more\.$", text, re.MULTILINE)
    assert more
    assert int(more.group(1)) + len(blocks) - 2 == len(many) + 1


PIECES = (
    "::",
    "]]>",
    "|",
    "`",
    "```",
    "<b>",
    "</details>",
    "&amp;",
    "%0A",
    "\n",
    "\r",
    "\x1b[2J",
    "\x00",
    "\u202e",
    "\u2028",
    "\ud800",
    "\uffff",
    "@all",
    "#1",
    "!1",
)
MORE = (
    "[a](b)",
    "{0}",
    "](1)",
    "\\",
    "*",
    "_",
    "~~",
    "$",
    "https://x.y",
    "www.x.y",
    "/close",
    "\n\n",
    "::error::",
    "##[error]",
    ",",
    "=",
    "'",
    '"',
    "\n---\n",
)
HOSTILE = (
    st.lists(st.one_of(st.sampled_from(PIECES + MORE), st.text(max_size=3)), min_size=1, max_size=8).map("".join).filter(bool)
)


@given(HOSTILE, HOSTILE)  # type: ignore[untyped-decorator]
@example("`a`", "\n```\n# a\n")  # type: ignore[untyped-decorator]
@example("\n</details>\n\n<img>", "*a* _b_ ~~c~~ [d](e) &lt; <f> https://g.h")  # type: ignore[untyped-decorator]
@settings(max_examples=60, deadline=None, database=None)  # type: ignore[untyped-decorator]
def test_hostile_text_stays_text(text: str, other: str) -> None:
    given = hostile(text, other)
    written = {name: write(name, given) for name in (*NAMES, "text", "concise")}
    for output in written.values():
        output.encode()
        assert safe_lines(output) == output
    run = check_sarif(written["sarif"])
    assert run["results"][0]["message"]["text"].startswith(
        flat(text).translate({ord("{"): "{{", ord("}"): "}}", ord("["): "\\[", ord("]"): "\\]", ord("\\"): "\\\\"})
    )
    root = check_junit(written["junit"])
    undecided = next(case.find("error") for case in root[0] if case.get("name") == "pod-to-service")
    assert undecided is not None
    assert undecided.get("message") == safe_lines(other)
    assert any(item["description"].startswith(flat(text)) for item in check_gitlab(written["gitlab"]))
    commands = check_github(written["github"])
    assert commands[0]["text"].startswith(safe_lines(text))
    assert commands[0]["file"] == safe_lines(text)
    cells, _, _ = check_markdown(written["markdown"])
    assert len(cells) == 1 + sum(item.verdict is not Verdict.NOT_APPLICABLE for item in given.guarantees)
    for row in cells[1:]:
        assert row[2].replace("\u200b", "") == " ".join(safe_lines(text).split()).replace("\u200b", "")
        assert not re.search(r"[@#!]\w", row[2])


def flat(text: str) -> str:
    """The text on one line."""
    return safe_lines(text).replace("\n", " ")


def test_several_formats_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from analyzer.cli import run

    outputs = [f"-o={name}:{tmp_path / name}" for name in NAMES]
    status = run(["check", str(ROOT / "samples" / "clusters" / "peer-pods"), "-q", "-f", "concise", *outputs])
    assert status == 1
    assert "error[cause]" in capsys.readouterr().out
    check_sarif((tmp_path / "sarif").read_text())
    check_junit((tmp_path / "junit").read_text())
    check_gitlab((tmp_path / "gitlab").read_text())
    assert check_github((tmp_path / "github").read_text())
    check_markdown((tmp_path / "markdown").read_text())
