"""``birdc show route``, also ``all``, ``primary``, ``export NAME``: BIRD's tables.

BIRD 1.6: ``192.168.82.0/26    via 172.17.0.4 on eth0 [Mesh_172_17_0_4 20:11:00] * (100/0) [i]`` (nest/rt-table.c ``rt_show_rte``); BIRD 2: ``10.0.0.0/26  unicast
[static1 09:23:20.123] * (200)`` and the ways on lines of their own, under ``Table master4:`` (nest/rt-show.c). BIRD 3 names the details of ``all`` in small letters,
as its configuration does: ``source: BGP``, ``bgp_path: 64512``. ``!`` in the place of ``*`` is the best route too, which the kernel did not take.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from analyzer.addresses import Address, Prefix, address, prefix
from analyzer.facts.base import Fact
from analyzer.facts.bgp import DaemonRoute, DaemonTableFact
from analyzer.facts.routes import NextHop
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._bird import CODE, PROGRAM, heading, peer_of
from analyzer.parsers._columns import command
from analyzer.parsers._words import refuse_errors
from analyzer.source import Gap, Source, Span

COUNT = re.compile(r"(Total: )?\d+ of \d+ routes for \d+ networks.*|Network (not in table|not found)")
TABLE = re.compile(r"Table (?P<name>\S+):")
ENTRY = re.compile(
    r" ?(?P<prefix>[0-9a-fA-F.:]+/\d+)?\s+(?P<how>\S.*?)\s*\[(?P<protocol>\S+) (?P<since>[^\]\s]+(?: \d\d:\d\d:\d\d(?:\.\d+)?)?)"
    r"(?: from (?P<peer>[^\]\s]+))?\](?P<best> [*!])?(?P<rest>.*)"
)
WAY = re.compile(
    r"(?:via (?P<via>\S+?)(?:%\S+)?(?: on (?P<on>\S+))?|dev (?P<dev>\S+))(?: mpls \S+)?(?P<onlink> onlink)?(?: weight (?P<weight>\d+))?"
)
KINDS = frozenset({"blackhole", "unreachable", "prohibit", "prohibited", "unicast", "multipath"})
SOURCES = {
    "static": "static",
    "kernel": "kernel",
    "direct": "connected",
    "pipe": "",
    "ospf": "ospf",
    "rip": "rip",
    "babel": "babel",
}
DETAILS = re.compile(
    r"(Type|BGP\.\w+|Kernel\.\w+|OSPF\.\w+|RIP\.\w+|Babel\.\w+|Preference|Path \w+|Internal route handling values|Local metric|IGP_metric|MPLS\.\w+|\w+\.\w+|[a-z][a-z0-9_]*): ?"
)
TYPES = {
    "BGP": "bgp",
    "static": "static",
    "device": "connected",
    "inherit": "kernel",
    "OSPF": "ospf",
    "RIP": "rip",
    "Babel": "babel",
    "OSPF-IA": "ospf",
    "OSPF-E1": "ospf",
    "OSPF-E2": "ospf",
}
EXPORT = re.compile(r"show_route(?:_all)?_export_(?P<name>\S+)")
PART = re.compile(r"show_route\S*_(?:protocol|for|where|filter|filtered|in|count|stats|noexport|preexport)_")


@dataclass(slots=True)
class Reading:
    """A listing while it is read: tables with their routes, the last network, and the route that details belong to."""

    path: str
    tables: dict[str, list[DaemonRoute]] = field(default_factory=dict)
    first: dict[str, int] = field(default_factory=dict)
    lost: dict[str, list[Span]] = field(default_factory=dict)
    table: str = ""
    network: Prefix | None = None


def read(source: Source) -> Iterator[Fact | Gap]:
    """One fact for each table, after the gaps."""
    state = Reading(source.path)
    for number, raw in enumerate(source.text.split("\n"), 1):
        line = CODE.sub("", raw.rstrip())
        if not line.strip() or heading(line) or COUNT.fullmatch(line.strip()):
            continue
        try:
            refuse_errors(line)
            taken(state, line, number)
        except UNREADABLE as problem:
            state.lost.setdefault(state.table, []).append(Span(source.path, number))
            yield gap(source, number, reason(problem))
    yield from tables(source, state)


def tables(source: Source, state: Reading) -> Iterator[Fact]:
    """The tables that were listed. A part of one is told by the command; one that nobody knows may have listed a part."""
    said = command(source)
    export = EXPORT.search(said)
    for name in sorted(state.first):
        yield DaemonTableFact(
            at=Span(source.path, state.first[name]),
            scope=source.scope,
            program="bird",
            name=name,
            routes=tuple(state.tables.get(name, ())),
            exported=export["name"].removesuffix(".txt") if export else "",
            part=export is not None or PART.search(said) is not None or "show_route" not in said,
            lost=tuple(state.lost.get(name, ())),
        )


def taken(state: Reading, line: str, number: int) -> None:
    """One line: a table's title, a route, a way of the last route, or a detail of it."""
    if found := TABLE.fullmatch(line.strip()):
        state.table = found["name"]
        state.first.setdefault(state.table, number)
    elif found := ENTRY.fullmatch(line):
        entry(state, found, number)
    elif found := WAY.fullmatch(line.strip()):
        way(state, found)
    elif found := DETAILS.match(line.strip()):
        detail(state, line.strip())
    else:
        raise ValueError(f"expected a route of BIRD's, not {line.strip()[:60]!r}")


def entry(state: Reading, found: re.Match[str], number: int) -> None:
    """A route. One without a network is another one for the last network. In BIRD 1 its way stands in the same line."""
    state.network = prefix(found["prefix"]) if found["prefix"] else state.network
    if state.network is None:
        raise ValueError("a route without its network")
    state.first.setdefault(state.table, number)
    how, protocol = found["how"], found["protocol"]
    hop = WAY.fullmatch(how)
    if hop is None and how.split()[0] not in KINDS:
        raise ValueError(f"{how[:40]!r} is no kind of route")
    kind = (
        "unicast" if hop is not None else {"multipath": "unicast", "prohibited": "prohibit"}.get(how.split()[0], how.split()[0])
    )
    state.tables.setdefault(state.table, []).append(
        DaemonRoute(
            state.network,
            kind,
            (next_hop(hop),) if hop is not None else (),
            source_of(protocol),
            protocol,
            peer_in(found["peer"]) or peer_of(protocol),
            found["best"] is not None,
            at=Span(state.path, number),
        )
    )


def source_of(protocol: str) -> str:
    """Where a route comes from by the name of its protocol, unless details say it."""
    return "bgp" if peer_of(protocol) else SOURCES.get(protocol.rstrip("0123456789"), "")


def peer_in(text: str | None) -> Address | None:
    """The peer that ``from`` names."""
    return address(text.partition("%")[0]) if text else None


def next_hop(found: re.Match[str]) -> NextHop:
    """A way: a gateway on a device, or a device alone."""
    return NextHop(
        address(found["via"]) if found["via"] else None,
        found["on"] or found["dev"],
        int(found["weight"] or 1),
        frozenset({"onlink"} if found["onlink"] else ()),
    )


def way(state: Reading, found: re.Match[str]) -> None:
    """A further way of the last route."""
    routes = state.tables.get(state.table)
    if not routes:
        raise ValueError("a way of a route, and no route before it was understood")
    routes[-1] = replace(routes[-1], next_hops=(*routes[-1].next_hops, next_hop(found)))


def detail(state: Reading, line: str) -> None:
    """A detail of the last route: ``Type: BGP univ``, in BIRD 3 ``source: BGP``, says where it comes from."""
    key, _, value = line.partition(":")
    if not state.tables.get(state.table):
        raise ValueError(f"expected a route of BIRD's, not {line[:60]!r}")
    if key in ("Type", "source") and value.strip():
        routes = state.tables[state.table]
        routes[-1] = replace(routes[-1], source=TYPES.get(value.split()[0], routes[-1].source))


PARSER = Parser(
    kind="bird-routes",
    read=read,
    names=(PROGRAM + r"_(?P<subject>show_route(_\S+)?)",),
    content=re.compile(
        r"^(1007-)?\s?([0-9a-fA-F.:]+/\d+)\s+(via \S+ on|dev|blackhole|unreachable|unicast)\s?.*\[\w+ [^\]]+\] (\* )?\(",
        re.MULTILINE,
    ),
)
