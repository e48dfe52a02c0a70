"""``ip route get``: what the kernel answered for one destination; and ``ip route show cache``, what it learned of some of them (net/ipv4/route.c, ``fnhe_dump_bucket``)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from analyzer.addresses import address
from analyzer.facts.base import Fact
from analyzer.facts.routes import RouteAnswerFact
from analyzer.parsers import UNREADABLE, Parser, by_line, reason
from analyzer.parsers._words import is_json, json_items, refuse_errors
from analyzer.parsers.ip_route import hop_from, next_hop
from analyzer.source import Gap, Source, Span

CACHED = re.compile(r"\bmtu (?:lock )?(\d{1,9})\b")
KINDS = frozenset({"unicast", "local", "broadcast", "multicast", "unreachable", "prohibit", "blackhole", "anycast"})


def read(source: Source) -> Iterator[Fact | Gap]:
    """Answers by line or item; of the indented ``cache`` line behind one its MTU is taken."""
    if not is_json(source.text):
        cached = limits(source.text)
        yield from by_line(source, lambda line, at: answer(source, line, at, cached.get(at.line)))
        return
    for item, at in json_items(source):
        try:
            yield answer_from(source, item, at)
        except UNREADABLE as problem:
            yield Gap(at, reason(problem), source.kind, source.scope)


def limits(text: str) -> dict[int, int]:
    """The MTU of each answer's cache, by the answer's line: ``cache expires 597sec mtu 1400``, ``cache mtu lock 1400``."""
    found: dict[int, int] = {}
    last = 0
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split()
        if words[:1] != ["cache"]:
            last = number if words and line[:1] not in " \t" else last
        elif (stated := CACHED.search(line)) is not None and last:
            found[last] = int(stated[1])
    return found


def limit_from(item: Mapping[str, Any]) -> int | None:
    """The MTU of an answer of JSON."""
    stated = [metric["mtu"] for metric in item.get("metrics", ()) if "mtu" in metric]
    return stated[0] if stated and isinstance(stated[0], int) else None


def answer_from(source: Source, item: Mapping[str, Any], at: Span) -> RouteAnswerFact:
    """One answer of JSON."""
    return RouteAnswerFact(
        at=at,
        scope=source.scope,
        destination=address(item["dst"]),
        kind=item.get("type", "unicast"),
        next_hop=hop_from({key: item[key] for key in ("gateway", "via", "dev") if key in item}),
        source=address(item["prefsrc"]) if "prefsrc" in item else None,
        origin=address(item["from"]) if "from" in item else None,
        in_interface=item.get("iif"),
        mtu=limit_from(item),
    )


def answer(source: Source, line: str, at: Span, mtu: int | None) -> Iterator[Fact]:
    """``10.0.0.2 from 10.0.0.1 via 10.0.0.254 dev eth0 src 10.0.0.1 uid 0``."""
    refuse_errors(line)
    words = line.split()
    if line[0] in " \t" or words[0] == "cache":
        return
    kind = words.pop(0) if words[0] in KINDS else "unicast"
    values = dict(pairwise(words))
    ways = [word for key in ("via", "dev") if key in values for word in (key, values[key])]
    yield RouteAnswerFact(
        at=at,
        scope=source.scope,
        destination=address(words[0]),
        kind=kind,
        next_hop=next_hop(ways),
        source=address(values["src"]) if "src" in values else None,
        origin=address(values["from"]) if "from" in values else None,
        in_interface=values.get("iif"),
        mtu=mtu,
    )


PARSER = Parser(
    kind="ip-route-get",
    read=read,
    names=(
        r"ip_(-\S+_)*(r|ro|route)_(get|g)(_\S+?)?(\.json)?",
        r"ip_(-\S+_)*(r|ro|rou|rout|route)_(show|list|ls|s)_(table_)?cached?(\.json)?",
    ),
    content=re.compile(r"^(local )?[0-9a-f.:]+ (from \S+ )?(via \S+ )?dev \S+ .*uid \d+", re.MULTILINE),
)
