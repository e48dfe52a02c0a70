"""``gobgp global rib``, text and JSON, and ``gobgp neighbor ADDRESS adj-out`` (osrg/gobgp cmd/gobgp/neighbor.go ``showRoute``)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.addresses import Address, Prefix, address, prefix
from analyzer.facts.base import Fact
from analyzer.facts.bgp import DaemonRoute, DaemonTableFact
from analyzer.facts.routes import NextHop
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._columns import Finder, command
from analyzer.parsers._words import is_json, refuse_errors
from analyzer.source import Gap, Source, Span

HEADING = re.compile(r"\s*(ID +)?Network +Next Hop")
TITLE = re.compile(r"Network {1,40}Next Hop")
ROW = re.compile(
    r"(?P<status>[SVINEX]?[*> ]{0,3}) *(?:\d+ +)?(?P<prefix>[0-9a-fA-F.:]+/\d+) +(?P<hop>[0-9a-fA-F.:]+|fictitious) .*"
)
OUT = re.compile(r"neighbor_(?P<peer>[0-9a-fA-F.:]+)_adj-out")
PART = re.compile(r"_adj-in|_local\b|rib_[0-9a-fA-F.:]*\d")


def read(source: Source) -> Iterator[Fact | Gap]:
    """One fact, after the gaps."""
    routes: list[DaemonRoute] = []
    lost: list[Span] = []
    said = command(source)
    out = OUT.search(said)
    if is_json(source.text):
        routes += of_json(source, json.loads(source.text))
    else:
        for number, raw in enumerate(source.text.split("\n"), 1):
            line = raw.rstrip()
            if not line.strip() or HEADING.match(line) or line.startswith("Network not in table"):
                continue
            try:
                refuse_errors(line)
                routes.append(row(line, Span(source.path, number), out is not None))
            except UNREADABLE as problem:
                lost.append(Span(source.path, number))
                yield gap(source, number, reason(problem))
    if routes or source.text.startswith(("Network not in table", "{")) or TITLE.search(source.text):
        at = routes[0].at if routes else Span(source.path, 1)
        exported = out["peer"] if out else ""
        part = out is not None or PART.search(said) is not None or "gobgp" not in said
        yield DaemonTableFact(
            at=at,
            scope=source.scope,
            program="gobgp",
            name="bgp",
            routes=tuple(routes),
            exported=exported,
            part=part,
            lost=tuple(lost),
        )


def row(line: str, at: Span, out: bool) -> DaemonRoute:
    """``*> 10.244.1.0/24   172.18.0.2   64513   00:00:07   [{Origin: ?}]``; what goes to a peer has a number in the place of its status."""
    found = ROW.fullmatch(line)
    if found is None:
        raise ValueError(f"expected a route of GoBGP's, not {line.strip()[:60]!r}")
    hop = None if found["hop"] == "fictitious" else address(found["hop"])
    return route(prefix(found["prefix"]), hop, out or ">" in found["status"], None, at)


def route(network: Prefix, hop: Address | None, best: bool, peer: Address | None, at: Span) -> DaemonRoute:
    """A route; the daemon's own has no way (0.0.0.0)."""
    return DaemonRoute(
        network, next_hops=(NextHop(hop),) if hop is not None and hop.value else (), source="bgp", peer=peer, best=best, at=at
    )


def of_json(source: Source, document: Any) -> Iterator[DaemonRoute]:
    """``{"10.244.1.0/24": [{"best": true, "attrs": [{"type": 3, "nexthop": …}], "neighbor-ip": …}]}`` (attribute 3 is NEXT_HOP, 14 MP_REACH_NLRI)."""
    finder = Finder(source)
    for text, ways in document.items():
        at = finder.span(f'"{text}"')
        for way in ways:
            peer = way.get("neighbor-ip")
            yield route(prefix(text), hop_of(way), way.get("best") is True, address(peer) if peer else None, at)


def hop_of(way: Mapping[str, Any]) -> Address | None:
    """The next hop among the attributes."""
    found = [one.get("nexthop") for one in way.get("attrs", []) if one.get("type") in (3, 14)]
    return address(found[0]) if found and found[0] else None


PARSER = Parser(
    kind="gobgp-rib",
    read=read,
    names=(
        r"(kube-router_)?(?P<subject>gobgp(_-\S+?)?_(g(lobal)?_rib|n(ei(ghbor)?)?_[0-9a-fA-F.:]+_adj-(in|out))(_\S+)?)(\.json)?",
    ),
    content=re.compile(
        r"^ {1,9}(ID {1,9})?Network {1,40}Next Hop {1,40}AS_PATH\b|\A\s*\{\"[0-9a-f.:]+/\d+\":\[\{\"nlri\"", re.MULTILINE
    ),
)
