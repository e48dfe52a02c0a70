"""The answer of ``analyze diff`` as JSON, ``analyzer.diff/1``; ``schemas/diff.json`` beside this file describes it."""

from __future__ import annotations

import json
from typing import Any

from analyzer.findings import Finding, Guarantee
from analyzer.query.differences.changes import Changed, Flows
from analyzer.query.differences.comparison import Comparison, VerdictChange
from analyzer.query.differences.ways import ChangedWay, Standing
from analyzer.query.witness import Side, Witness
from analyzer.report.flows import allow_list
from analyzer.report.json import span_object
from analyzer.report.style import Style


def write(found: Comparison, style: Style) -> str:
    """The document, indented."""
    del style
    return json.dumps(document(found), indent=1, ensure_ascii=True) + "\n"


def document(found: Comparison) -> dict[str, Any]:
    """The answer as plain values."""
    return {
        "schema": "analyzer.diff/1",
        "old": found.old,
        "new": found.new,
        "differs": found.differs,
        "undecided": found.undecided,
        "endpoints": {
            "appeared": list(found.policies.appeared),
            "disappeared": list(found.policies.disappeared),
            "scaled": [{"id": item.name, "old": item.old, "new": item.new} for item in found.policies.scaled],
        },
        "changes": [change_object(item) for item in found.policies.changes],
        "ways": [way_object(item) for item in found.ways],
        "guarantees": [verdict_object(item) for item in found.verdicts],
        "findings": {
            "appeared": [finding_object(item) for item in found.appeared],
            "disappeared": [finding_object(item) for item in found.disappeared],
        },
        "incomplete": list(found.incomplete),
    }


def way_object(item: ChangedWay) -> dict[str, Any]:
    """A way through a service or route that changes."""
    way = item.way
    return {
        "change": item.change.value,
        "kind": way.kind,
        "name": way.name,
        "from": way.source,
        "port": way.port,
        "to": way.destination,
        "target": way.target,
        "request": way.request,
        "old": standing_object(item.old),
        "new": standing_object(item.new),
    }


def standing_object(side: Standing | None) -> dict[str, Any] | None:
    """One side of it; null where there is no such way."""
    if side is None:
        return None
    return {"admitted": {True: "yes", False: "no", None: "unknown"}[side.admitted], "why": side.why, "at": span_object(side.at)}


def change_object(item: Changed) -> dict[str, Any]:
    """One change."""
    return {
        "change": item.change.value,
        "because": item.because,
        "certain": item.certain,
        "from": list(item.sources),
        "to": list(item.destinations),
        "families": [f"IPv{family}" for family in item.families],
        "old": flows_object(item.old),
        "new": flows_object(item.new),
        "witness": witness_object(item.witness),
    }


def flows_object(item: Flows) -> dict[str, Any]:
    """What one side admits, for sure and perhaps."""
    result: dict[str, Any] = {"allow": allow_list(item.allowed)}
    return result | ({"unknown": allow_list(item.unknown)} if item.unknown else {})


def witness_object(item: Witness) -> dict[str, Any]:
    """The flow that shows a change."""
    return {
        "from": item.source,
        "to": item.destination,
        "source": str(item.source_address) if item.source_address else None,
        "destination": str(item.destination_address) if item.destination_address else None,
        "protocol": item.protocol,
        "port": item.flow.port,
        "source_port": item.flow.source_port,
        "old": side_object(item.old),
        "new": side_object(item.new),
    }


def side_object(item: Side) -> dict[str, Any]:
    """What one side says of it."""
    lines = [{"at": span_object(line.at), "text": line.text} for line in item.lines]
    return {"verdict": item.word, "reason": item.reason, "lines": lines}


def verdict_object(item: VerdictChange) -> dict[str, Any]:
    """A guarantee before and after."""
    return {"id": item.id, "old": guarantee_object(item.old), "new": guarantee_object(item.new)}


def guarantee_object(item: Guarantee | None) -> dict[str, Any] | None:
    """One answer."""
    return None if item is None else {"verdict": item.verdict.value, "broken": item.broken, "scope": item.scope}


def finding_object(item: Finding) -> dict[str, Any]:
    """One finding."""
    return {"rule": item.rule, "severity": item.severity.value, "message": item.message, "at": span_object(item.at)}
