"""``route -n``, ``netstat -rn`` and ``route -6 -n``: the main tables of old tools; and ``/proc/net/route``, where there are none.

In ``/proc/net/route`` (net/ipv4/fib_trie.c, fib_route_seq_show) addresses are the numbers that the machine has in memory: on all that Kubernetes runs on but s390x, the last byte first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.addresses import Address, address, prefix, prefix_of
from analyzer.facts.base import Fact
from analyzer.facts.routes import NextHop, RouteFact
from analyzer.parsers import Parser, by_line
from analyzer.parsers._words import refuse_errors
from analyzer.source import Gap, Source, Span

NUMBER = re.compile(r"[0-9A-F]{16}")
UP, GATEWAY, REJECT = 0x1, 0x2, 0x200


def read(source: Source) -> Iterator[Fact | Gap]:
    """Routes by line, in listing order; two header lines are passed over."""
    return by_line(source, lambda line, at: route(source, line, at))


def route(source: Source, line: str, at: Span) -> Iterator[Fact]:
    """``10.0.0.0  192.168.0.1  255.0.0.0  UG  0 0 0 eth0``; the flag ``!`` is a reject route."""
    refuse_errors(line)
    words = line.split()
    if words[0] in ("Kernel", "Destination", "Iface"):
        return
    if len(words) >= 8 and len(words[1]) == len(words[2]) == 8 and NUMBER.fullmatch(words[1] + words[2]):
        yield of_proc(source, words, at)
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


def of_proc(source: Source, words: list[str], at: Span) -> RouteFact:
    """``eth0  00000000  0100A8C0  0003  0  0  100  00000000  0  0  0`` of ``/proc/net/route`` (flags: include/uapi/linux/route.h)."""
    flags, mask = int(words[3], 16), turned(words[7])
    if not flags & (UP | REJECT):
        raise ValueError(f"a route that is not up has flags {words[3]}")
    bits = (mask ^ 0xFFFFFFFF).bit_length()
    return RouteFact(
        at=at,
        scope=source.scope,
        destination=prefix_of(Address(4, turned(words[1])), 32 - bits),
        kind="unreachable" if flags & REJECT else "unicast",
        next_hops=() if flags & REJECT else (NextHop(Address(4, turned(words[2])) if flags & GATEWAY else None, words[0]),),
        metric=int(words[6]),
        order=at.line,
    )


def turned(text: str) -> int:
    """The address of eight digits, the last byte first."""
    return int.from_bytes(bytes.fromhex(text), "little")


PARSER = Parser(
    kind="route-n",
    read=read,
    names=(r"route(_-\S+)*", r"netstat_-\S*r\S*", r"(cat_)?_?proc_net_route", r"(.*/)?proc/net/route", r"net_route"),
    content=re.compile(r"^Kernel IP(v6)? routing table|^Iface\tDestination\tGateway", re.MULTILINE),
)
