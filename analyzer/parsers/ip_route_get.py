"""``ip route get``: what the kernel answered for one destination."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from analyzer.addresses import address
from analyzer.facts.base import Fact
from analyzer.facts.routes import RouteAnswerFact
from analyzer.parsers import Parser, by_line
from analyzer.parsers._words import refuse_errors
from analyzer.parsers.ip_route import next_hop
from analyzer.source import Gap, Source, Span

KINDS = frozenset({"local", "broadcast", "multicast", "unreachable", "prohibit", "blackhole", "anycast"})


def read(source: Source) -> Iterator[Fact | Gap]:
    """Answers by line; the indented ``cache`` line is passed over."""
    return by_line(source, lambda line, at: answer(source, line, at))


def answer(source: Source, line: str, at: Span) -> Iterator[Fact]:
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
    )


PARSER = Parser(
    kind="ip-route-get",
    read=read,
    names=(r"ip_(-\S+_)*(r|ro|route)_(get|g)(_\S+)?",),
    content=re.compile(r"^(local )?[0-9a-f.:]+ (from \S+ )?(via \S+ )?dev \S+ .*uid \d+", re.MULTILINE),
)
