"""``route -n``, ``netstat -rn`` and ``route -6 -n``: the main tables of old tools."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.addresses import address, prefix
from analyzer.facts.base import Fact
from analyzer.facts.routes import NextHop, RouteFact
from analyzer.parsers import Parser, by_line
from analyzer.parsers._words import refuse_errors
from analyzer.source import Gap, Source, Span


def read(source: Source) -> Iterator[Fact | Gap]:
    """Routes by line, in listing order; two header lines are passed over."""
    return by_line(source, lambda line, at: route(source, line, at))


def route(source: Source, line: str, at: Span) -> Iterator[Fact]:
    """``10.0.0.0  192.168.0.1  255.0.0.0  UG  0 0 0 eth0``; the flag ``!`` is a reject route."""
    refuse_errors(line)
    words = line.split()
    if words[0] in ("Kernel", "Destination"):
        return
    if len(words) == 7 and ":" in words[0]:
        yield of_six(source, words, at)
        return
    if len(words) < 8:
        raise ValueError(f"expected a route of eight columns, not {line[:60]!r}")
    target, gateway, mask, flags, metric, device = words[0], words[1], words[2], words[3], words[4], words[-1]
    via = address(gateway) if "G" in flags and gateway not in ("0.0.0.0", "*") else None
    yield RouteFact(
        at=at,
        scope=source.scope,
        destination=prefix(f"{'0.0.0.0' if target == 'default' else target}/{mask}"),
        kind="unreachable" if "!" in flags else "unicast",
        next_hops=() if "!" in flags else (NextHop(via, device),),
        metric=int(metric) if metric.isdecimal() else 0,
        order=at.line,
    )


def of_six(source: Source, words: list[str], at: Span) -> RouteFact:
    """``fd00::/64  ::  U  256 1 0 eth0`` of ``route -6 -n``; a next hop ``::`` is none, and the flag ``!`` a reject route."""
    target, gateway, flags, metric, device = words[0], words[1].strip("[]"), words[2], words[3], words[6]
    return RouteFact(
        at=at,
        scope=source.scope,
        destination=prefix(target),
        kind="unreachable" if "!" in flags else "multicast" if target.startswith("ff") else "unicast",
        next_hops=() if "!" in flags else (NextHop(address(gateway) if "G" in flags else None, device),),
        metric=int(metric) if metric.isdecimal() else 0,
        order=at.line,
    )


PARSER = Parser(
    kind="route-n",
    read=read,
    names=(r"route(_-\S+)*", r"netstat_-\S*r\S*"),
    content=re.compile(r"^Kernel IP(v6)? routing table", re.MULTILINE),
)
