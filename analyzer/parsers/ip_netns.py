"""``ip netns list``, text and JSON: the names of namespaces and their ids, as ``link-netnsid`` counts them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.facts.links import NamespaceIdFact
from analyzer.parsers import Parser, by_line
from analyzer.parsers._words import is_json, json_items, refuse_errors
from analyzer.source import Gap, Source, Span

LINE = re.compile(r"^(\S+)(?: \(id: (\d+)\))?\s*$")


def read(source: Source) -> Iterator[Fact | Gap]:
    """Names by line, or by object."""
    if is_json(source.text):
        return (
            NamespaceIdFact(at=at, scope=source.scope, name=item["name"], netnsid=item.get("id"))
            for item, at in json_items(source)
        )
    return by_line(source, lambda line, at: name(source, line, at))


def name(source: Source, line: str, at: Span) -> Iterator[Fact]:
    """``cni-1234 (id: 0)``."""
    refuse_errors(line)
    found = LINE.match(line)
    if not found:
        raise ValueError(f"expected 'name (id: 0)', not {line[:60]!r}")
    yield NamespaceIdFact(at=at, scope=source.scope, name=found.group(1), netnsid=int(found.group(2)) if found.group(2) else None)


PARSER = Parser(
    kind="ip-netns",
    read=read,
    names=(r"ip_(-\S+_)*netns(_(list|show|ls))?(\.json)?",),
    content=re.compile(r"^\S+ \(id: \d+\)$", re.MULTILINE),
)
