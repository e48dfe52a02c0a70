"""``ip nexthop show``, text and JSON (iproute2 ip/ipnexthop.c)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.addresses import address
from analyzer.facts.base import Fact
from analyzer.facts.routes import NextHop, NextHopFact
from analyzer.parsers import UNREADABLE, Parser, by_line, reason
from analyzer.parsers._words import is_json, json_items, refuse_errors, refuse_others
from analyzer.source import Gap, Source, Span

FLAGS = frozenset({"onlink", "linkdown", "dead", "offload", "trap"})
OTHERS = frozenset({"blackhole", "fdb", "pervasive", "unresolved"})
VALUES = frozenset(
    {
        "id",
        "via",
        "dev",
        "group",
        "scope",
        "proto",
        "protocol",
        "type",
        "buckets",
        "idle_timer",
        "unbalanced_timer",
        "unbalanced_time",
    }
    | {"hw_stats", "used", "weight"}
)


def read(source: Source) -> Iterator[Fact | Gap]:
    """Next-hop objects by line or item."""
    if not is_json(source.text):
        yield from by_line(source, lambda line, at: one(source, line, at))
        return
    for item, at in json_items(source):
        try:
            yield from_item(source, item, at)
        except UNREADABLE as problem:
            yield Gap(at, reason(problem), source.kind, source.scope)


def one(source: Source, line: str, at: Span) -> Iterator[Fact]:
    """``id 10 via 10.0.0.1 dev eth0 scope link``, ``id 20 group 10/11,2``, ``id 30 blackhole``."""
    refuse_errors(line)
    words = line.split()
    if line[0] in " \t" or words[0] != "id":
        raise ValueError(f"expected 'id 1 via … dev …', not {line[:60]!r}")
    if "encap" not in words:
        refuse_others([word for word in words if word not in ("inet", "inet6")], VALUES, FLAGS | OTHERS)
    values = {words[i]: words[i + 1] for i in range(len(words) - 1)}
    flags = frozenset(word for word in words if word in FLAGS)
    via = values.get("via")
    via = words[words.index("via") + 2] if via in ("inet", "inet6") else via
    hop = NextHop(address(via) if via else None, values.get("dev"), 1, flags) if "dev" in values or via else None
    yield NextHopFact(
        at=at,
        scope=source.scope,
        identifier=int(values["id"]),
        next_hop=hop,
        group=group(values.get("group", "")),
        blackhole="blackhole" in words,
        fdb="fdb" in words,
    )


def group(text: str) -> tuple[tuple[int, int], ...]:
    """``10/11,2``: ids with their weights, 1 where none is given."""
    parts = (part.partition(",") for part in text.split("/") if part)
    return tuple((int(identifier), int(weight or 1)) for identifier, _, weight in parts)


def from_item(source: Source, item: Mapping[str, Any], at: Span) -> NextHopFact:
    """One object of JSON."""
    via = item.get("gateway") or (item.get("via") or {}).get("host")
    hop = (
        NextHop(address(via) if via else None, item.get("dev"), 1, frozenset(item.get("flags") or ()))
        if "dev" in item or via
        else None
    )
    return NextHopFact(
        at=at,
        scope=source.scope,
        identifier=int(item["id"]),
        next_hop=hop,
        group=tuple((int(part["id"]), int(part.get("weight", 1))) for part in item.get("group") or ()),
        blackhole="blackhole" in item,
        fdb="fdb" in item,
    )


PARSER = Parser(
    kind="ip-nexthop",
    read=read,
    names=(r"ip_(-\S+_)*(nexthop|nh)(_(show|list))?(\.json)?",),
    content=re.compile(r"^id \d+ (via|dev|group|blackhole)\b", re.MULTILINE),
)
