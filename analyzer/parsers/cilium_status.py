"""``cilium-dbg status``, also ``--verbose``: how the agent is set up (pkg/client/client.go ``FormatStatusResponse``)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.facts.base import Fact
from analyzer.facts.cilium import AgentFact
from analyzer.parsers import Parser, gap
from analyzer.parsers._cilium import ENDING, PROGRAM, failure
from analyzer.parsers._words import is_json
from analyzer.source import Gap, Source, Span

LINE = re.compile(r"(?P<indent>\s*)(-\s+)?(?P<name>[^:\s][^:]*):(\s+(?P<value>.*))?$")
MOST = 4000
BLOCK = "(the block)"


def read(source: Source) -> Iterator[Fact | Gap]:
    """One fact with all lines of the form ``Name:  value``, those of blocks under the name of the block."""
    values: dict[str, str] = {}
    first = 0
    if is_json(source.text):
        values, first = dict(flat(json.loads(source.text), "")), 1
    else:
        for number, raw in enumerate(source.text.split("\n"), 1):
            line = raw.rstrip()
            if line and (problem := failure(line)) and not first:
                yield gap(source, number, problem)
            elif line and len(values) < MOST:
                first = first or number
                noted(values, line)
    values.pop(BLOCK, None)
    if first and values:
        yield AgentFact(at=Span(source.path, first), scope=source.scope, values=values)


def noted(values: dict[str, str], line: str) -> None:
    """Adds one line. What has another form (tables of controllers and clusters) says nothing of the set-up."""
    found = LINE.match(line)
    if found is None:
        return
    name, value = found["name"].strip(), (found["value"] or "").strip()
    if not found["indent"]:
        values[name] = value
        values[BLOCK] = name
    else:
        values.setdefault(f"{values.get(BLOCK, '')}/{name}", value)


def flat(value: Mapping[str, Any] | list[Any] | object, above: str) -> Iterator[tuple[str, str]]:
    """The values of a document by their path."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from flat(item, f"{above}/{key}" if above else str(key))
    elif isinstance(value, list):
        yield above, ", ".join(str(item) for item in value[:64] if not isinstance(item, dict | list))
    else:
        yield above, "" if value is None else str(value)


PARSER = Parser(
    kind="cilium-status",
    read=read,
    names=(PROGRAM + r"status" + ENDING,),
    content=re.compile(r"^KVStore:\s+.*\n(.*\n){0,3}?Kubernetes( APIs)?:\s", re.MULTILINE),
)
