"""The formats: what a person sees first, what a terminal must never get, and the schema that JSON keeps."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

import analyzer
import analyzer.report
from analyzer.addresses import address
from analyzer.findings import (
    Cause,
    Certainty,
    Counterexample,
    Finding,
    Fix,
    Guarantee,
    Label,
    Report,
    Severity,
    Verdict,
)
from analyzer.plugins import package_constants
from analyzer.report import Format
from analyzer.report.assumptions import together
from analyzer.report.style import Style
from analyzer.solve.packet import ICMP, Hop, Packet
from analyzer.source import Gap, Source, Span

FORMATS = {format.name: format for format in package_constants(analyzer.report, "FORMAT", Format)}
SCHEMA = json.loads((Path(analyzer.report.__file__).parent / "schemas" / "report.json").read_text())

ENTRY = Span("nodes/n1/ip_neigh", 1, 28, 1, 45)
OTHER = Span("nodes/vm/ip_addr", 2, 16, 2, 33)
PACKET = Packet(4, address("10.0.0.1").value, address("10.0.0.2").value, ICMP, icmp_type=8)
HOPS = (
    Hop("n1", "send", "ICMP echo request to 10.0.0.2", None, PACKET),
    Hop("n1", "neighbour", "10.0.0.2 is at 0a:58:0a:84:02:2e", ENTRY, PACKET),
    Hop("vm/podns", "drop", "the frame is for another MAC", OTHER, PACKET),
)


def report() -> Report:
    counterexample = Counterexample(PACKET, HOPS, "the frame is for another MAC", OTHER, ("br-int is a learning switch",))
    related = (Label(OTHER, "vxlan0 has 7e:e5:f7:e6:f5:1a"),)
    return Report(
        guarantees=(
            Guarantee("unique-pod-addresses", Verdict.PROVED, "1 pod on 1 node"),
            Guarantee(
                "node-to-pod",
                Verdict.REFUTED,
                "1 node, 1 pod, IPv4",
                "n1 cannot reach x/p",
                counterexample,
                ("br-int is a learning switch",),
                1,
                1,
            ),
            Guarantee("pod-to-service", Verdict.UNDECIDED, "1 pod, 1 service", "nodes/n1/iptables-save was not captured"),
            Guarantee("policy-enforced", Verdict.NOT_APPLICABLE, "no policies"),
        ),
        causes=(
            Cause(
                ENTRY,
                "the entry names a MAC that is not the pod's",
                24,
                ("node-to-pod",),
                related,
                counterexample,
                Fix("set the MAC"),
            ),
        ),
        findings=(
            Finding(
                "peer-pod-mac", Severity.ERROR, "MACs differ", ENTRY, Certainty.POSSIBLE, related, "a note", Fix("set the MAC")
            ),
            Finding("hostile", Severity.WARNING, "evil \x1b[31m name \u202e end", Span("nodes/n1/none", 3)),
        ),
        gaps=(Gap(Span("nodes/n1/ip_neigh", 2), "not a \x07 neighbour"),),
        sources=(
            Source("nodes/n1/ip_neigh", "10.0.0.2 dev mp0 lladdr    0a:58:0a:84:02:2e PERMANENT\nrubbish \x1b[2J\n", "ip-neigh"),
            Source("nodes/vm/ip_addr", "3: vxlan0\n    link/ether 7e:e5:f7:e6:f5:1a brd ff\n", "ip-addr"),
        ),
    )


def test_text_is_as_agreed(update: bool) -> None:
    expected = Path(__file__).parent / "data" / "report.text"
    text = FORMATS["text"].write(report(), Style())
    if update:
        expected.parent.mkdir(exist_ok=True)
        expected.write_text(text)
    assert text == expected.read_text()


def test_text_leads_with_what_failed() -> None:
    lines = FORMATS["text"].write(report(), Style()).splitlines()
    assert lines[0] == "guarantees"
    assert lines[1].split()[:2] == ["refuted", "node-to-pod"]


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_control_characters_never_come_out(name: str) -> None:
    for color in (False, True):
        text = FORMATS[name].write(report(), Style(color=color, verbose=True))
        for code in ("\x1b[31m name", "\x1b[2J", "\x07", "\u202e"):
            assert code not in text


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_same_report_same_bytes(name: str) -> None:
    assert FORMATS[name].write(report(), Style()) == FORMATS[name].write(report(), Style())
    assert FORMATS[name].write(report(), Style()).endswith("\n")


def test_colour_only_adds_colour() -> None:
    import re

    plain, colored = FORMATS["text"].write(report(), Style()), FORMATS["text"].write(report(), Style(color=True))
    assert plain != colored
    assert re.sub("\x1b\\[[0-9;]*m", "", colored) == plain


def test_json_keeps_its_schema() -> None:
    document = json.loads(FORMATS["json"].write(report(), Style()))
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert document["summary"]["findings"] == {"error": 1, "warning": 1, "note": 0}


def test_fingerprints_survive_moved_lines() -> None:
    from dataclasses import replace

    from analyzer.report.json import document

    before = report()
    moved = replace(before.sources[0], content="new line\n" + before.sources[0].text)
    finding = replace(before.findings[0], at=ENTRY._replace(line=2, end_line=2))
    after = replace(before, findings=(finding,), sources=(moved, *before.sources[1:]))
    assert document(after)["findings"][0]["fingerprint"] == document(before)["findings"][0]["fingerprint"]


def test_what_is_taken_for_granted_of_many_is_told_once() -> None:
    places = frozenset({"n1", "n2", "n2/default_a"})
    texts = (
        "no program of n1 sends (8472)",
        "n1: no rules (nodes/n1/iptables-legacy-save was not captured)",
        "no program of n2 sends (8472)",
        "no program of n2 sends (4789)",
        "n2/default_a: no rules (nodes/n2/netns/default_a/iptables-legacy-save was not captured)",
    )
    assert together(texts, places) == [
        "no program of n1 sends (8472), and so of 1 more",
        "2 namespaces: no rules (nodes/n1/iptables-legacy-save and 1 more were not captured)",
        "no program of n2 sends (4789)",
    ]


def test_what_nodes_without_pods_lack_is_told(tmp_path: Path) -> None:
    (tmp_path / "pasted.txt").write_text("root@a:~# ip r\n192.168.7.0/24 dev eth0 proto kernel scope link src 192.168.7.1\n")
    report = analyzer.load(tmp_path).check()
    assert "this state of nodes tells of no pod" in FORMATS["text"].write(report, Style())
    (tmp_path / "pasted.txt").write_text("kind: Namespace\napiVersion: v1\nmetadata: {name: a}\n")
    report = analyzer.load(tmp_path).check()
    assert "most need the state of nodes" in FORMATS["text"].write(report, Style())
