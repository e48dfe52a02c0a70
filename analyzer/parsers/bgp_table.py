"""FRR's ``show ip bgp`` and ``show bgp ipv4 unicast``, and ``advertised-routes`` of a neighbour, text and JSON (bgpd/bgp_route.c ``bgp_show_table``)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from analyzer.addresses import Address, Prefix, address, prefix
from analyzer.facts.base import Fact
from analyzer.facts.bgp import DaemonRoute, DaemonTableFact
from analyzer.facts.routes import NextHop
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._columns import Finder, command
from analyzer.parsers._words import is_json, refuse_errors
from analyzer.source import Gap, Source, Span

AROUND = re.compile(
    r"(BGP table version|Default local pref|Status codes:|Nexthop codes:|Origin codes:|RPKI validation|\s+i internal|\s+[irSR] |Displayed|Total number|No BGP prefixes|\s*Network +Next Hop"
    r"|\s+t stale|% )"
)
HEADING = re.compile(r"\s*Network +Next Hop")
TO_ONE = re.compile(r"neighbors?_(?P<peer>[0-9a-fA-F.:]+)_advertised-routes")
PART = re.compile(
    r"neighbors?_|_(regexp|community|prefix-list|route-map|filter-list|longer-prefixes|cidr-only)|bgp_[0-9a-fA-F.:]*\d"
)
VALID = re.compile(r"[VIN]?[sdhSRr* ]{0,3}[>=*x ]*[ib ]?[ r]*$")


@dataclass(slots=True)
class Reading:
    """A listing while it is read; ``columns``: where networks and next hops begin."""

    columns: tuple[int, int] = (3, 20)
    network: Prefix | None = None
    first: int = 0
    routes: list[DaemonRoute] = field(default_factory=list)
    lost: list[Span] = field(default_factory=list)


def read(source: Source) -> Iterator[Fact | Gap]:
    """One fact, after the gaps."""
    state = Reading()
    if is_json(source.text):
        of_json(source, json.loads(source.text), state)
    else:
        for number, raw in enumerate(source.text.split("\n"), 1):
            line = raw.rstrip()
            if HEADING.match(line):
                state.columns = line.index("Network"), line.index("Next Hop")
                state.first = state.first or number
            if not line.strip() or AROUND.match(line):
                continue
            try:
                refuse_errors(line)
                taken(state, line, Span(source.path, number))
            except UNREADABLE as problem:
                state.lost.append(Span(source.path, number))
                yield gap(source, number, reason(problem))
    if state.first:
        yield table(source, state)


def table(source: Source, state: Reading) -> DaemonTableFact:
    """The listing as a fact: which part of the table it is stands in the file's name."""
    said = command(source)
    to = TO_ONE.search(said)
    return DaemonTableFact(
        at=Span(source.path, state.first),
        scope=source.scope,
        program="frr",
        name="bgp",
        routes=tuple(state.routes),
        exported=to["peer"] if to else "",
        part=PART.search(said) is not None or "bgp" not in said,
        lost=tuple(state.lost),
    )


def taken(state: Reading, line: str, at: Span) -> None:
    """``*>i10.244.3.0/26    172.18.0.3   100   0 i``: without a network it is another way for the last; a long network has a line of its own."""
    at_network, _ = state.columns
    status, rest = line[:at_network], line[at_network:]
    words = rest.split()
    if not VALID.match(status) or not words:
        raise ValueError(f"expected a route of FRR's, not {line.strip()[:60]!r}")
    if not rest.startswith(" "):
        state.network = prefix(words[0])
        words = words[1:]
    if state.network is None:
        raise ValueError("a route without its network")
    if not words:
        state.routes.append(route(state.network, status, None, at))
    elif state.routes and state.routes[-1].prefix == state.network and not status.strip() and not state.routes[-1].next_hops:
        last = state.routes.pop()
        state.routes.append(
            DaemonRoute(
                last.prefix, next_hops=hops(address(words[0])), source="bgp", best=last.best, installed=last.installed, at=last.at
            )
        )
    else:
        state.routes.append(route(state.network, status, address(words[0].partition("@")[0]), at))


def route(network: Prefix, status: str, hop: Address | None, at: Span) -> DaemonRoute:
    """A route with what its letters say: ``>`` the best, ``=`` as good, ``r`` refused by zebra."""
    best = ">" in status or "=" in status
    return DaemonRoute(network, next_hops=hops(hop), source="bgp", best=best, installed=False if "r" in status else None, at=at)


def hops(hop: Address | None) -> tuple[NextHop, ...]:
    """The way; none where the route is the daemon's own (0.0.0.0)."""
    return (NextHop(hop),) if hop is not None and hop.value else ()


def of_json(source: Source, document: Any, state: Reading) -> None:
    """``{"routes": {"10.244.3.0/26": [{"valid": true, "bestpath": true, "nexthops": [{"ip": …}], "peerId": …}]}}``; ``advertisedRoutes`` has one for each."""
    finder = Finder(source)
    found = document.get("routes", document.get("advertisedRoutes"))
    for text, ways in found.items():
        at = finder.span(f'"{text}"')
        state.first = state.first or at.line
        for way in ways if isinstance(ways, list) else [ways]:
            state.routes.append(json_route(prefix(text), way, at))
    state.first = state.first or 1


def json_route(network: Prefix, way: Mapping[str, Any], at: Span) -> DaemonRoute:
    """One way of JSON."""
    ways = way.get("nexthops") or [{"ip": way.get("nextHop") or "0.0.0.0"}]
    peer = str(way.get("peerId") or "")
    return DaemonRoute(
        network,
        next_hops=tuple(one for item in ways for one in hops(address(str(item.get("ip") or "0.0.0.0")))),
        source="bgp",
        peer=address(peer.partition("%")[0]) if peer[:1].isdigit() or ":" in peer else None,
        best=bool(way.get("bestpath") or way.get("multipath") or way.get("best")),
        at=at,
    )


PARSER = Parser(
    kind="bgp-table",
    read=read,
    names=(
        r"(vtysh_(-\S+?_)?-c_)?(?P<subject>show_(ip_|ipv6_)?bgp(_ipv[46])?(_unicast)?(_json|_wide|_detail)*)(\.json)?",
        r"(vtysh_(-\S+?_)?-c_)?(?P<subject>show_(ip_|ipv6_)?bgp(_ipv[46])?(_unicast)?_neighbors?_\S+_(advertised-routes|routes|received-routes)(_json)?)(\.json)?",
    ),
    content=re.compile(
        r"^BGP table version is \d+, local router ID is|\A\s*\{\s*\"vrfId\"[\s\S]{0,200}\"routerId\"[\s\S]{0,200}\"routes\"",
        re.MULTILINE,
    ),
)
