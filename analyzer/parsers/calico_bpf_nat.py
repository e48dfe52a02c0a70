"""``calico-node -bpf nat dump``: the frontends and backends of Calico's eBPF dataplane, in text and JSON, by frontend or by service (felix/cmd/calico-bpf/commands/nat.go)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from analyzer.addresses import address, prefix
from analyzer.facts.base import Fact
from analyzer.facts.calico import MapBackend, MapFrontendFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._columns import Finder
from analyzer.parsers._words import is_json, refuse_errors
from analyzer.source import Gap, Source, Span

FRONTEND = re.compile(
    r"(?P<addr>\S+) port (?P<port>\d+) proto (?P<proto>\d+) id (?P<id>\d+) count (?P<count>-?\d+) local (?P<local>\d+)"
    r"( flags (?P<flags>.*?))?( src (?P<src_cidr>\S+))?\s*"
)
BACKEND = re.compile(r"\s+(\d+):(\d+)\s+(?:is missing|\[?([^\]\s]+?)\]?:(\d+))\s*")
Backends = dict[int, dict[int, MapBackend | None]]


def read(source: Source) -> Iterator[Fact | Gap]:
    """Frontends in the order of the text, each with the backends of its service."""
    if is_json(source.text):
        yield from read_json(source)
        return
    fronts: list[MapFrontendFact] = []
    backends: Backends = {}
    for number, line in enumerate(source.text.split("\n"), 1):
        at = Span(source.path, number)
        try:
            if (found := FRONTEND.fullmatch(line)) is not None:
                fronts.append(frontend(source, found.groupdict(), at))
            elif (behind := BACKEND.fullmatch(line)) is not None:
                which, ordinal, host, port = behind.groups()
                known = MapBackend(address(host), int(port), at=at) if host else None
                backends.setdefault(int(which), {})[int(ordinal)] = known
            elif line.strip():
                refuse_errors(line)
                raise ValueError("expected a frontend or a backend of 'calico-node -bpf nat dump'")
        except UNREADABLE as problem:
            yield gap(source, number, reason(problem))
    yield from (with_backends(front, backends.get(front.number, {})) for front in fronts)


def frontend(source: Source, found: Mapping[str, Any], at: Span) -> MapFrontendFact:
    """One frontend, without its backends."""
    return MapFrontendFact(
        at=at,
        scope=source.scope,
        address=address(str(found["addr"])),
        port=int(found["port"]),
        protocol=int(found["proto"]),
        number=int(found["id"]),
        count=int(found["count"]),
        near=int(found["local"]),
        flags=frozenset(word.strip() for word in str(found.get("flags") or "").split(",") if word.strip()),
        source=prefix(str(found["src_cidr"])) if found.get("src_cidr") else None,
    )


def with_backends(front: MapFrontendFact, known: Mapping[int, MapBackend | None]) -> MapFrontendFact:
    """A frontend with those of the backends that its count names."""
    found = tuple(one for number, one in sorted(known.items()) if number < front.count and one is not None)
    return replace(front, backends=found, lost=max(front.count, 0) - len(found))


def read_json(source: Source) -> Iterator[Fact | Gap]:
    """``[{"frontend": {…}, "backends": […]}]``, or by service with ``frontends``."""
    finder = Finder(source)
    for item in json.loads(source.text) or []:
        at = finder.span('"frontend')
        try:
            fronts = item.get("frontends") or [item["frontend"]]
            made = [frontend(source, front, at) for front in fronts]
            ends = [end(one, at) for one in item.get("backends") or []]
        except UNREADABLE as problem:
            yield gap(source, at.line, reason(problem))
            continue
        yield from (with_backends(front, dict(enumerate(ends))) for front in made)


def end(item: Mapping[str, Any], at: Span) -> MapBackend | None:
    """A backend; None where the map does not have it."""
    return None if item["addr"] == "missing" else MapBackend(address(item["addr"]), int(item["port"]), at=at)


PARSER = Parser(
    kind="calico-bpf-nat",
    read=read,
    names=(r"(\S*_)?(calico-node_-bpf|calico-bpf)(_-6|_--ipv6)?_nat_dump\S*",),
    content=re.compile(
        r"^\S+ port \d+ proto \d+ id \d+ count -?\d+ local \d+|\A\s*\[\s*\{\s*(\"id\"\s*:\s*\d+\s*,\s*)?\"frontends?\"\s*:\s*(\[\s*)?\{\s*\"addr\"",
        re.MULTILINE,
    ),
)
