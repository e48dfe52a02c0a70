"""The answer of ``analyze fleet`` as JSON, ``analyzer.fleet/1``; ``schemas/fleet.json`` beside this file describes it."""

from __future__ import annotations

import json
from typing import Any

from analyzer.query.fleet.answers import Answer, FleetCause, RuleCount
from analyzer.query.fleet.merging import Fleet, SharedCause, SharedRule, SharedVerdict
from analyzer.report.json import guarantee_object, intent_object, span_object
from analyzer.report.style import Style


def write(found: Fleet, style: Style) -> str:
    """The document, indented."""
    del style
    return json.dumps(document(found), indent=1, ensure_ascii=True) + "\n"


def document(found: Fleet) -> dict[str, Any]:
    """The answer as plain values."""
    return {
        "schema": "analyzer.fleet/1",
        "status": found.status,
        "missing": [{"cluster": item.name, "reason": item.missing} for item in found.missing],
        "guarantees": [verdict_object(item) for item in found.guarantees],
        "causes": [cause_object(item) for item in found.causes],
        "findings": [rule_object(item) for item in found.rules],
        "clusters": [answer_object(item) for item in found.answers],
        "summary": summary(found),
    }


def verdict_object(item: SharedVerdict) -> dict[str, Any]:
    """A guarantee by cluster."""
    names = {"fails": item.fails, "undecided": item.undecided, "excused": item.excused, "proved": item.proved}
    return {"id": item.id, **{key: list(value) for key, value in names.items()}, "not_applicable": item.not_applicable}


def cause_object(item: SharedCause) -> dict[str, Any]:
    """Causes of one shape, by cluster."""
    where = [
        {"cluster": one.cluster, "places": one.places, "pairs": one.pairs, "worst": worst_object(one.worst)}
        for one in item.clusters
    ]
    return {"shape": item.shape, "pairs": item.pairs, "guarantees": list(item.guarantees), "help": item.fix, "clusters": where}


def worst_object(item: FleetCause) -> dict[str, Any]:
    """A cause, where its shape is said beside it."""
    return {"message": item.message, "pairs": item.pairs, "at": span_object(item.at)}


def rule_object(item: SharedRule) -> dict[str, Any]:
    """What a rule finds, by cluster."""
    where = [{"cluster": name, "count": count.count} for name, count in item.clusters]
    return {"rule": item.rule, "severity": item.severity.value, "count": item.count, "clusters": where}


def answer_object(item: Answer) -> dict[str, Any]:
    """What is told of one cluster."""
    return {
        "name": item.name,
        "status": item.status,
        "missing": item.missing,
        "guarantees": [guarantee_object(one) for one in item.guarantees],
        "intents": [intent_object(one) for one in item.intents],
        "causes": [{"shape": one.shape, **worst_object(one), "guarantees": list(one.guarantees)} for one in item.causes],
        "findings": [count_object(one) for one in item.rules],
        "inputs": item.inputs,
        "gaps": item.gaps,
        "suppressed": item.ignored,
        "unread": list(item.unread),
    }


def count_object(item: RuleCount) -> dict[str, Any]:
    """How often a rule finds something in a cluster, with its first finding."""
    first = {"message": item.message, "at": span_object(item.at)}
    return {"rule": item.rule, "severity": item.severity.value, "count": item.count, "first": first}


def summary(found: Fleet) -> dict[str, int]:
    """Counts of clusters."""
    counts = {"clean": found.with_status(0), "wrong": found.with_status(1), "undecided": found.with_status(3)}
    return {"clusters": len(found.answers), **counts, "missing": len(found.missing)}
