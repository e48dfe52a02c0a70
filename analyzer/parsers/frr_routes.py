"""FRR's ``show ip route`` and ``show ipv6 route``, text and JSON: what zebra has chosen, and what it has put into the kernel (zebra/zebra_vty.c ``vty_show_ip_route``)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from analyzer.addresses import address, prefix
from analyzer.facts.base import Fact
from analyzer.facts.bgp import DaemonRoute, DaemonTableFact
from analyzer.facts.routes import NextHop
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._columns import Finder, command
from analyzer.parsers._words import is_json, refuse_errors
from analyzer.source import Gap, Source, Span

ROUTE = re.compile(
    r"(?P<code>[A-Za-z])(?P<flags>[>*qrbtoi ]{1,4}?) ?(?P<prefix>[0-9a-fA-F.:]+/\d+) (?:\[\d+/\d+\] ?)?(?P<way>.*)"
)
FURTHER = re.compile(r" {2}[*>qrbto ]{0,3} *+(?P<way>(via|is|directly|unreachable) .*)")
WAY = re.compile(
    r"(?:via (?P<via>[0-9a-fA-F.:]+)(?:, (?P<dev>[A-Za-z][^\s,]*))?|(?:is )?directly connected, (?P<on>[^\s,]+)|unreachable(?: \((?P<why>[^)]*)\))?)(?P<rest>.*)"
)
AROUND = re.compile(r"(Codes:|\s++[A-Za-z>*] - |VRF \S+:|IPv[46] unicast VRF|Routing entry|% |\s*$)")
SOURCES: Mapping[str, str] = {
    "K": "kernel",
    "C": "connected",
    "L": "local",
    "S": "static",
    "R": "rip",
    "O": "ospf",
    "I": "isis",
    "B": "bgp",
    "E": "eigrp",
    "N": "nhrp",
    "T": "table",
    "A": "babel",
    "F": "pbr",
    "f": "openfabric",
}


def read(source: Source) -> Iterator[Fact | Gap]:
    """One fact, after the gaps."""
    if is_json(source.text):
        yield of_json(source, json.loads(source.text))
        return
    routes: list[DaemonRoute] = []
    lost: list[Span] = []
    for number, raw in enumerate(source.text.split("\n"), 1):
        line = raw.rstrip()
        if AROUND.match(line):
            continue
        try:
            refuse_errors(line)
            taken(routes, line, Span(source.path, number))
        except UNREADABLE as problem:
            lost.append(Span(source.path, number))
            yield gap(source, number, reason(problem))
    if routes or "Codes:" in source.text:
        at = routes[0].at if routes else Span(source.path, 1)
        yield DaemonTableFact(
            at=at,
            scope=source.scope,
            program="frr",
            name="rib",
            routes=tuple(routes),
            part=part(command(source)),
            lost=tuple(lost),
        )


def part(said: str) -> bool:
    """Whether a listing is of one protocol or network only."""
    return (
        re.search(r"show_ip(v6)?_route_(bgp|static|kernel|connected|ospf|[0-9a-f.:]*\d)", said) is not None or "route" not in said
    )


def taken(routes: list[DaemonRoute], line: str, at: Span) -> None:
    """A route, or a further way of the last one; below one that is looked up again (``recursive``) stand those that it comes to."""
    if found := FURTHER.match(line):
        way = next_hop(found["way"])
        last = routes[-1]
        hops = tuple(hop for hop in last.next_hops if "recursive" not in hop.flags)
        used = last.best and "*" in line.split("via")[0]
        routes[-1] = replace(last, next_hops=(*hops, *((way,) if way else ())), installed=last.installed or used)
        return
    found = ROUTE.fullmatch(line)
    if found is None:
        raise ValueError(f"expected a route of FRR's, not {line.strip()[:60]!r}")
    flags, way = found["flags"], next_hop(found["way"])
    best = ">" in flags
    routes.append(
        DaemonRoute(
            prefix(found["prefix"]),
            "blackhole" if way is None else "unicast",
            (way,) if way is not None else (),
            SOURCES.get(found["code"], found["code"]),
            best=best,
            installed="*" in flags if best else False,
            at=at,
        )
    )


def next_hop(text: str) -> NextHop | None:
    """A way; None for one that leads nowhere."""
    found = WAY.match(text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is no way of a route")
    if not found["via"] and not found["on"]:
        return None
    rest = found["rest"]
    words = {"onlink": "onlink", "inactive": "dead", "(unresolved)": "dead", "(recursive": "recursive"}
    flags = frozenset(flag for word, flag in words.items() if word in rest)
    weight = re.search(r"weight (\d+)", rest)
    return NextHop(
        address(found["via"]) if found["via"] else None, found["dev"] or found["on"], int(weight[1]) if weight else 1, flags
    )


def of_json(source: Source, document: Any) -> DaemonTableFact:
    """``{"10.244.1.0/24": [{"protocol": "bgp", "selected": true, "installed": true, "nexthops": [{"ip": …, "interfaceName": …}]}]}``."""
    finder = Finder(source)
    routes = []
    for text, items in document.items():
        at = finder.span(f'"{text}"')
        for item in items:
            best, ways = bool(item.get("selected")), [one for one in item.get("nexthops", []) if isinstance(one, Mapping)]
            none = any(one.get("blackhole") or one.get("unreachable") for one in ways)
            hops = () if none else tuple(json_hop(one) for one in ways if one.get("active", True) or not best)
            kind, source_of = "blackhole" if none else "unicast", str(item.get("protocol") or "")
            routes.append(
                DaemonRoute(
                    prefix(text),
                    kind,
                    hops,
                    source_of,
                    best=best,
                    installed=bool(item.get("installed")) if best else False,
                    at=at,
                )
            )
    first = routes[0].at if routes else Span(source.path, 1)
    return DaemonTableFact(
        at=first, scope=source.scope, program="frr", name="rib", routes=tuple(routes), part=part(command(source))
    )


def json_hop(one: Mapping[str, Any]) -> NextHop:
    """One way of JSON."""
    ip, weight = one.get("ip"), one.get("weight")
    flags = frozenset(({"onlink"} if one.get("onLink") else set()) | (set() if one.get("active", False) else {"dead"}))
    return NextHop(address(str(ip)) if ip else None, one.get("interfaceName"), weight if isinstance(weight, int) else 1, flags)


PARSER = Parser(
    kind="frr-routes",
    read=read,
    names=(r"(vtysh_(-\S+?_)?-c_)?(?P<subject>show_ip(v6)?_route(_\S+?)?(_json)?)(\.json)?",),
    content=re.compile(
        r"^Codes: K - kernel route, C - connected|\A\s*\{\s*\"[0-9a-f.:]+/\d+\"\s*:\s*\[\s*\{\s*\"prefix\"", re.MULTILINE
    ),
)
