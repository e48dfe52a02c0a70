"""``conntrack -L`` in its forms, ``/proc/net/nf_conntrack``, and the count that ``conntrack -C`` prints."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.addresses import Address, address
from analyzer.facts.base import Fact
from analyzer.facts.system import ConnectionFact, SysctlFact
from analyzer.parsers import Parser, by_line
from analyzer.source import Gap, Source, Span

STATISTICS = re.compile(r"cpu=\d+\s+(found|searched)=")
FLAGS = re.compile(r"\[(\w+)\]")
Tuple = tuple[Address, Address, int, int]


def read(source: Source) -> Iterator[Fact | Gap]:
    """Entries by line; the tool's own count line, and the statistics of ``conntrack -S`` that EKS's collector puts before them, are passed over."""
    return by_line(source, lambda line, at: entry(source, line, at))


def entry(source: Source, line: str, at: Span) -> Iterator[Fact]:
    """``tcp 6 115 TIME_WAIT src=… dst=… sport=… dport=… src=… dst=… sport=… dport=… [ASSURED] mark=0 use=1``."""
    if "flow entries have been shown" in line or line.startswith(("#", "***")) or STATISTICS.match(line):
        return
    words = line.split()
    if len(words) == 1 and line.strip().isdecimal():  # conntrack -C reads nf_conntrack_count
        yield SysctlFact(at=at, scope=source.scope, key="net.netfilter.nf_conntrack_count", value=line.strip())
        return
    if words[0] in ("ipv4", "ipv6"):
        words = words[2:]
    pairs = [(key, value) for key, equals, value in (word.partition("=") for word in words) if equals]
    sides = split(pairs)
    values = dict(pairs)
    yield ConnectionFact(
        at=at,
        scope=source.scope,
        protocol=int(words[1]),
        original=sides[0],
        reply=sides[1],
        state=next((word for word in words[2:4] if word.isupper() and "=" not in word), ""),
        status=frozenset(FLAGS.findall(line)),
        mark=int(values.get("mark", "0"), 0),
        zone=int(values.get("zone", "0")),
    )


def split(pairs: list[tuple[str, str]]) -> tuple[Tuple, Tuple]:
    """The original and the reply tuple: each begins with ``src``."""
    starts = [position for position, (key, _) in enumerate(pairs) if key == "src"]
    if len(starts) != 2:
        raise ValueError("expected two tuples of src=… dst=…")
    return one(dict(pairs[starts[0] : starts[1]])), one(dict(pairs[starts[1] :]))


def one(values: dict[str, str]) -> Tuple:
    """One tuple; ICMP has type and id in the places of the ports."""
    first, second = values.get("sport", values.get("type", "0")), values.get("dport", values.get("id", "0"))
    return address(values["src"]), address(values["dst"]), int(first), int(second)


PARSER = Parser(
    kind="conntrack",
    read=read,
    names=(r"conntrack(_-\S+)*(_extended)?", r"(conntrack-list|nf_conntrack)"),
    content=re.compile(
        r"^(ipv[46]\s+\d+\s+)?(tcp|udp|icmp|icmpv6|sctp|unknown|gre|udplite|dccp)\s+\d+ \d+ .*src=\S+ dst=\S+", re.MULTILINE
    ),
)
