"""``cilium-dbg bgp routes`` (``available`` or ``advertised``): what an agent's router has, and what it tells each peer (cilium-dbg/cmd/bgp_routes.go)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.addresses import address, prefix
from analyzer.facts.base import Fact
from analyzer.facts.bgp import DaemonRoute, DaemonTableFact
from analyzer.facts.routes import NextHop
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._cilium import ENDING, PROGRAM, failure
from analyzer.parsers._columns import cells
from analyzer.parsers._words import is_json
from analyzer.parsers.cilium_bgp import host
from analyzer.source import Gap, Scope, Source, Span

HEADING = re.compile(r"(Node\s+)?VRouter\s+(Peer\s+)?Prefix\s+NextHop")


def read(source: Source) -> Iterator[Fact | Gap]:
    """A fact for each node and peer of the listing, after the gaps."""
    if is_json(source.text):
        raise ValueError("the JSON of bgp routes is not read: use its text")
    heading, above = "", {"Node": "", "Peer": ""}
    found: dict[tuple[str, str], list[DaemonRoute]] = {}
    lost: list[Span] = []
    for number, raw in enumerate(source.text.split("\n"), 1):
        line = raw.rstrip()
        if not line.strip() or line.startswith("(Defaulting to"):
            continue
        if HEADING.match(line):
            heading = line
            found.setdefault(("", ""), []) if "Peer" not in line and "Node" not in line else None
            continue
        try:
            if not heading:
                raise ValueError(failure(line) or f"expected the titles of the columns, not {line[:60]!r}")
            told = cells(heading, line)
            above |= {key: told[key] for key in above if told.get(key)}
            key = (above["Node"], str(host(above["Peer"])) if above["Peer"] else "")
            found.setdefault(key, []).append(route(told, Span(source.path, number)))
        except UNREADABLE as problem:
            lost.append(Span(source.path, number))
            yield gap(source, number, reason(problem))
    for (node, peer), routes in found.items():
        at = routes[0].at if routes else Span(source.path, 1)
        scope = Scope(node) if node else source.scope
        yield DaemonTableFact(
            at=at,
            scope=scope,
            program="cilium",
            name="bgp",
            routes=tuple(routes),
            exported=peer,
            part=bool(peer),
            lost=tuple(lost),
        )


def route(told: dict[str, str], at: Span) -> DaemonRoute:
    """One row: ``64512  10.244.1.0/24  0.0.0.0  1m30s  [{Origin: i} {Nexthop: 0.0.0.0}]``."""
    hop = address(told["NextHop"])
    return DaemonRoute(prefix(told["Prefix"]), next_hops=(NextHop(hop),) if hop.value else (), source="bgp", at=at)


PARSER = Parser(
    kind="cilium-bgp-routes",
    read=read,
    names=(PROGRAM + r"bgp[-_]routes" + ENDING,),
    content=re.compile(r"^(Node\s+)?VRouter\s+(Peer\s+)?Prefix\s+NextHop\s+Age", re.MULTILINE),
)
