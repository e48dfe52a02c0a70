"""A baseline: an earlier report in JSON, whose findings are known and do not count."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from analyzer.findings import Cause
from analyzer.parsers import reason

SCHEMA = "analyzer.report/1"


@dataclass(frozen=True, slots=True)
class Baseline:
    """What an earlier report has: the fingerprints of its findings, how often each; the guarantees that it refutes; its causes by path and message;
    the files that it read, and those in which it found something."""

    name: str
    fingerprints: Mapping[str, int] = field(default_factory=dict)
    refuted: frozenset[str] = frozenset()
    causes: frozenset[tuple[str, str]] = frozenset()
    read: frozenset[str] = frozenset()
    found_in: frozenset[str] = frozenset()

    def has(self, cause: Cause) -> bool:
        """Whether the cause is known."""
        return (cause.at.path, cause.message) in self.causes


def baseline(name: str, text: str) -> Baseline:
    """The baseline in the text of ``analyze … -f json``. ValueError, in words, where it is something else."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise ValueError(f"{name} is no JSON: {reason(problem)}") from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ValueError(f'{name} is no report: expected what `analyze PATH -f json -o {name}` writes ("schema": "{SCHEMA}")')
    counts: dict[str, int] = {}
    every = [*objects(document, "findings"), *suppressed(document)]
    for item in every:
        mark = str(item.get("fingerprint", ""))
        counts[mark] = counts.get(mark, 0) + 1
    refuted = (item for item in objects(document, "guarantees") if item.get("verdict") == "refuted")
    causes = ((part(item, "at").get("path"), item.get("message")) for item in objects(document, "causes"))
    known = frozenset((str(path), str(message)) for path, message in causes)
    read = frozenset(str(item.get("path")) for item in objects(document, "inputs"))
    found_in = frozenset(str(part(item, "at").get("path")) for item in every)
    return Baseline(name, counts, frozenset(str(item.get("id")) for item in refuted), known, read, found_in)


def suppressed(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What an earlier baseline had left out of the report."""
    return (item for item in objects(document, "suppressed") if part(item, "suppression").get("by") == "baseline")


def objects(document: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The objects of a list; none where there is no list."""
    value = document.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def part(item: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object inside; an empty one where there is none."""
    value = item.get(key)
    return value if isinstance(value, dict) else {}
