"""The report as JSON, ``analyzer.report/1``; ``schemas/report.json`` beside this file describes it."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from analyzer.addresses import Address
from analyzer.findings import (
    Cause,
    Counterexample,
    Finding,
    Fix,
    Guarantee,
    IntentVerdict,
    Label,
    Report,
    Severity,
    Suppressed,
    Verdict,
    fingerprint,
)
from analyzer.report import Format
from analyzer.report.style import Style
from analyzer.solve.packet import PROTOCOL_NAMES, Hop, Packet
from analyzer.source import Source, Span


def write(report: Report, style: Style) -> str:
    """The document, indented, keys in the order of the contract."""
    del style
    return json.dumps(document(report), indent=1, ensure_ascii=True) + "\n"


def document(report: Report) -> dict[str, Any]:
    """The report as plain values."""
    sources = {source.path: source for source in report.sources}
    return {
        "schema": "analyzer.report/1",
        "guarantees": [guarantee_object(item) for item in report.guarantees],
        "causes": [cause_object(item) for item in report.causes],
        "findings": [finding_object(item, sources) for item in report.findings],
        "suppressed": [suppressed_object(item, sources) for item in report.suppressed],
        "gaps": [{"at": span_object(gap.at), "reason": gap.reason} for gap in report.gaps],
        "inputs": [input_object(source) for source in report.sources],
        "intents": [intent_object(item) for item in report.intents],
        "summary": summary(report),
    }


def guarantee_object(item: Guarantee) -> dict[str, Any]:
    """One guarantee."""
    result: dict[str, Any] = {"id": item.id, "verdict": item.verdict.value, "scope": item.scope, "reason": item.reason}
    result |= {"broken": item.broken, "checked": item.checked, "assumptions": list(item.assumptions)}
    if item.cross_checked:
        result["cross_checked"] = item.cross_checked
    if item.by_design:
        result["by_design"] = True
    if item.accepted:
        result["accepted"] = item.accepted
    if item.counterexample is not None:
        result["counterexample"] = counterexample_object(item.counterexample)
    return result


def intent_object(item: IntentVerdict) -> dict[str, Any]:
    """The verdict on an intent."""
    return {"name": item.name, "verdict": item.verdict.value, "statement": item.statement, "at": span_object(item.at)}


def cause_object(item: Cause) -> dict[str, Any]:
    """One cause."""
    result: dict[str, Any] = {"message": item.message, "pairs": item.pairs, "guarantees": list(item.guarantees)}
    result |= {"at": span_object(item.at), "related": [label_object(label) for label in item.related]}
    return result | optional(item.fix, item.counterexample)


def finding_object(item: Finding, sources: dict[str, Source]) -> dict[str, Any]:
    """One finding."""
    result: dict[str, Any] = {"rule": item.rule, "severity": item.severity.value, "certainty": item.certainty.value}
    result |= {"message": item.message, "at": span_object(item.at), "related": [label_object(label) for label in item.related]}
    if item.note:
        result["note"] = item.note
    return result | optional(item.fix, item.counterexample) | {"fingerprint": fingerprint(item, sources)}


def suppressed_object(item: Suppressed, sources: dict[str, Source]) -> dict[str, Any]:
    """A finding that does not count, with who says so."""
    result: dict[str, Any] = {"by": item.by.value, "reason": item.reason}
    if item.at is not None:
        result["at"] = span_object(item.at)
    return {"suppression": result, **finding_object(item.finding, sources)}


def optional(fix: Fix | None, counterexample: Counterexample | None) -> dict[str, Any]:
    """The parts that are not always there."""
    result: dict[str, Any] = {}
    if counterexample is not None:
        result["counterexample"] = counterexample_object(counterexample)
    if fix is not None:
        result["fix"] = {"text": fix.text, "edits": [{"at": span_object(edit.at), "text": edit.text} for edit in fix.edits]}
    return result


def counterexample_object(item: Counterexample) -> dict[str, Any]:
    """A packet and its hops."""
    result: dict[str, Any] = {"packet": packet_object(item.packet), "reason": item.reason}
    if item.at is not None:
        result["at"] = span_object(item.at)
    return result | {"hops": [hop_object(hop) for hop in item.hops], "assumptions": list(item.assumptions)}


def packet_object(packet: Packet) -> dict[str, Any]:
    """A packet with its addresses as text."""
    return {
        "source": str(Address(packet.family, packet.source)),
        "destination": str(Address(packet.family, packet.destination)),
        "protocol": PROTOCOL_NAMES.get(packet.protocol, str(packet.protocol)),
        "source_port": packet.source_port,
        "destination_port": packet.destination_port,
        "icmp_type": packet.icmp_type,
        "size": packet.size,
    }


def hop_object(hop: Hop) -> dict[str, Any]:
    """One hop; ``reply`` where it is on the way back."""
    result: dict[str, Any] = {"place": hop.place, "stage": hop.stage, "what": hop.what}
    if hop.at is not None:
        result["at"] = {"path": hop.at.path, "line": hop.at.line, "column": hop.at.column}
    if hop.reply:
        result["reply"] = True
    return result


def label_object(label: Label) -> dict[str, Any]:
    """A related place."""
    return {"at": span_object(label.at), "text": label.text}


def span_object(at: Span) -> dict[str, Any]:
    """A place; an end that is not known is the start."""
    return {
        "path": at.path,
        "line": at.line,
        "column": at.column,
        "end_line": at.end_line or at.line,
        "end_column": at.end_column or at.column,
    }


def input_object(source: Source) -> dict[str, Any]:
    """One input with the hash of its text."""
    digest = sha256()
    for piece in source.pieces():
        digest.update(piece.encode("utf-8", "surrogatepass"))
    return {"path": source.path, "kind": source.kind, "sha256": digest.hexdigest()}


def summary(report: Report) -> dict[str, Any]:
    """Counts."""
    return {
        "guarantees": {verdict.value: sum(item.verdict is verdict for item in report.guarantees) for verdict in Verdict},
        "findings": {severity.value: sum(item.severity is severity for item in report.findings) for severity in Severity},
        "suppressed": len(report.suppressed),
        "causes": len(report.causes),
        "gaps": len(report.gaps),
        "inputs": len(report.sources),
    }


FORMAT = Format("json", write)
