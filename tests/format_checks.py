"""What is asked of the formats that other tools read, and reports to try them on: one that has everything, one with hostile text wherever text can be."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import jsonschema
from markdown_it import MarkdownIt

from analyzer.findings import Certainty, Edit, Finding, Fix, Guarantee, Label, Report, Severity, Verdict
from analyzer.query.rules import INTERNAL
from analyzer.source import Gap, Source, Span
from tests.test_report import ENTRY, report

SARIF = jsonschema.Draft4Validator(json.loads((Path(__file__).parent / "data" / "sarif-schema-2.1.0.json").read_text()))
# junit-10.xsd of Jenkins' xUnit plugin: of each element the required attributes, the others, and the children.
XSD: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors"},
        {"group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"},
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
    ),
    "testcase": ({"name"}, {"time", "classname", "group"}, {"skipped", "error", "failure", "system-out", "system-err"}),
    "skipped": (set(), {"type", "message"}, set()),
    "error": (set(), {"type", "message"}, set()),
    "failure": (set(), {"type", "message"}, set()),
    "system-out": (set(), set(), set()),
    "system-err": (set(), set(), set()),
}
COMMAND = re.compile(r"::(error|warning|notice) ((?:[a-zA-Z]+=[^,:\r\n]*)(?:,[a-zA-Z]+=[^,:\r\n]*)*)::([^\r\n]*)")
FIELDS = {"file", "line", "endLine", "col", "endColumn", "title"}
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def full() -> Report:
    """A report with each kind of thing: by design, notes, edits, a rule that failed, equal findings."""
    start = report()
    edits = (Edit(ENTRY, "{[fixed]}"), Edit(Span("nodes/n1/ip_neigh", 2), "\x07"))
    more = (
        Finding("peer-pod-mac", Severity.NOTE, "equal", ENTRY, fix=Fix("edit it", edits)),
        Finding("peer-pod-mac", Severity.NOTE, "equal", ENTRY, note="again"),
        Finding(INTERNAL, Severity.WARNING, "the rule x failed: ValueError: y", Span("rules/x", 1), Certainty.POSSIBLE),
    )
    designed = Guarantee("pod-to-node-without-nat", Verdict.REFUTED, "1 pod", "translated", by_design=True)
    alone = Guarantee("unique-pod-cidrs", Verdict.REFUTED, "2 networks", "they overlap")
    gaps = tuple(Gap(Span("nodes/n1/ip_neigh", line), "equal") for line in range(1, 16))
    return replace(
        start, guarantees=(*start.guarantees, designed, alone), findings=(*start.findings, *more), gaps=(*start.gaps, *gaps)
    )


def check_sarif(text: str) -> dict[str, Any]:
    """The run, which keeps the schema and what the schema does not say: indices, links and regions, and what code scanning asks for."""
    log = json.loads(text)
    SARIF.validate(log)
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == sorted(set(rules))
    marks = set()
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]  # 3.27.6
        assert len(result["locations"]) == 1, "code scanning takes no result without a file"
        marks.add((result["ruleId"], str(result["locations"]), result["partialFingerprints"]["primaryLocationLineHash"]))
        identifiers = [place["id"] for place in result.get("relatedLocations", ())]
        links = re.findall(r"(?<!\\)(?:\\\\)*\]\((\d+)\)", result["message"]["text"])  # 3.11.6
        assert [int(link) for link in links] == identifiers
        for flow in result.get("codeFlows", ()):
            assert all("physicalLocation" in step["location"] for step in flow["threadFlows"][0]["locations"])
    assert len(marks) == len(run["results"]), "results that cannot be told apart"
    for told in run["invocations"][0]["toolExecutionNotifications"]:
        assert run["tool"]["driver"]["notifications"][told["descriptor"]["index"]]["id"] == told["descriptor"]["id"]
    for region in regions(run):
        start = region["startLine"], region["startColumn"]
        assert (region.get("endLine", start[0]), region.get("endColumn", start[1])) >= start
    return dict(run)


def regions(value: object) -> list[dict[str, int]]:
    if isinstance(value, dict):
        own = [value["region"]] if "region" in value else []
        return own + [found for inner in value.values() for found in regions(inner)]
    return [found for inner in value for found in regions(inner)] if isinstance(value, list) else []


def check_junit(text: str) -> ElementTree.Element:
    """The document, which keeps the schema and whose counts are true and names unique."""
    root = ElementTree.fromstring(text.encode())
    assert root.tag == "testsuites"
    for element in root.iter():
        required, optional, children = XSD[element.tag]
        assert required <= set(element.attrib) <= required | optional
        assert {child.tag for child in element} <= children
    for element in (root, *root):
        for attribute, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(element.get(attribute, len(list(element.iter(tag))))) == len(list(element.iter(tag)))
    cases = [(case.get("classname"), case.get("name")) for case in root.iter("testcase")]
    assert len(set(cases)) == len(cases)
    return root


def check_gitlab(text: str) -> list[dict[str, Any]]:
    """The entries, each with the documented fields and a fingerprint of its own."""
    entries: list[dict[str, Any]] = json.loads(text)
    for item in entries:
        assert set(item) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert item["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert set(item["location"]) == {"path", "lines"}
        assert set(item["location"]["lines"]) == {"begin"}
        assert item["location"]["lines"]["begin"] >= 1
        assert item["location"]["path"]
    assert len({item["fingerprint"] for item in entries}) == len(entries)
    return entries


def check_github(text: str) -> list[dict[str, str]]:
    """The commands as the runner reads them: one for each line, of the kinds that annotate, with the known properties."""
    commands = []
    for line in text.split("\n")[:-1]:
        found = COMMAND.fullmatch(line)
        assert found, line
        properties = dict(part.split("=", 1) for part in found.group(2).split(","))
        assert set(properties) <= FIELDS
        assert "title" in properties
        commands.append(
            {key: unquote(value) for key, value in properties.items()} | {"kind": found.group(1), "text": unquote(found.group(3))}
        )
    return commands


def check_markdown(text: str) -> tuple[list[list[str]], list[str], list[str]]:
    """The cells of the table as plain text, the blocks of code and the lines of raw HTML; there is nothing else than these, a heading and plain text."""
    cells: list[list[str]] = []
    blocks, raw = [], []
    tokens = MARKDOWN.parse(text)
    assert {token.type.removesuffix("_open").removesuffix("_close") for token in tokens} <= {
        *("html_block", "heading", "inline", "paragraph", "fence", "table", "thead", "tbody", "tr", "th", "td")
    }
    for number, token in enumerate(tokens):
        if token.type == "tr_open":
            cells.append([])
        elif token.type == "inline":
            assert {child.type for child in token.children or ()} <= {"text"}, token.content
            if tokens[number - 1].type in ("td_open", "th_open"):
                cells[-1].append("".join(child.content for child in token.children or ()))
        elif token.type == "fence":
            blocks.append(token.content)
        elif token.type == "html_block":
            raw += token.content.splitlines()
    for line in raw:
        assert re.fullmatch(r"<!-- analyze -->|</details>|<details><summary>(<b>\w+</b>: )?[^<>]*</summary>", line), line
    assert raw.count("</details>") == sum(line.startswith("<details>") for line in raw) == len(blocks)
    return cells, blocks, raw


def hostile(text: str, other: str) -> Report:
    """The text wherever the input can put it."""
    start = full()
    at = Span(text, 1, 2)
    guarantees = tuple(replace(item, scope=text, reason=other, assumptions=(text,)) for item in start.guarantees)
    cause = replace(start.causes[0], message=text, at=at, related=(Label(at, other),), fix=Fix(other, (Edit(at, text),)))
    findings = tuple(
        replace(item, message=f"{other}{item.message}", note=text, related=(Label(at, text),), at=at) for item in start.findings
    )
    return Report(guarantees, (cause,), findings, (Gap(at, other),), (*start.sources, Source(text, other)))
