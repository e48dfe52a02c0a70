"""``calico-node -bpf routes dump``: the routing map of Calico's eBPF dataplane (felix/cmd/calico-bpf/commands/routes.go, felix/bpf/routes/map.go ``Value.String``)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.addresses import address, prefix
from analyzer.facts.base import Fact
from analyzer.facts.calico import MapRouteFact
from analyzer.parsers import Parser, by_line
from analyzer.parsers._words import refuse_errors
from analyzer.source import Gap, Source, Span

LINE = re.compile(r"\s*([\da-fA-F.:]+/\d+): (\S.*?)\s*")
KINDS = ("host", "workload")
FLAGS = frozenset({"in-pool", "nat-out", "same-subnet", "no-dsr", "tunneled", "vm", "blackhole-drop", "blackhole-reject"})


def read(source: Source) -> Iterator[Fact | Gap]:
    """Entries by line: ``10.65.1.0/26: remote workload in-pool nat-out nh 172.17.0.7``."""
    return by_line(source, lambda line, at: entry(source, line, at))


def entry(source: Source, line: str, at: Span) -> Iterator[Fact]:
    """One entry; ValueError says what is not understood."""
    if not line.strip():
        return
    refuse_errors(line)
    found = LINE.fullmatch(line)
    if found is None:
        raise ValueError("expected a line of 'calico-node -bpf routes dump', as '10.65.1.0/26: remote workload nh 172.17.0.7'")
    words, numbered = found.group(2).split(), dict[str, str]()
    for name in ("idx", "nh"):
        if name in words[:-1]:
            position = words.index(name)
            numbered[name] = words[position + 1]
            del words[position : position + 2]
    flags = frozenset(words) - {"local", "remote", *KINDS}
    if unknown := flags - FLAGS:
        raise ValueError(f"{sorted(unknown)[0]!r} is none of the words that an entry has")
    yield MapRouteFact(
        at=at,
        scope=source.scope,
        prefix=prefix(found.group(1)),
        local="local" in words,
        kind=next((kind for kind in KINDS if kind in words), ""),
        flags=flags,
        via=address(numbered["nh"]) if "nh" in numbered else None,
        index=int(numbered["idx"]) if "idx" in numbered else None,
    )


PARSER = Parser(
    kind="calico-bpf-routes",
    read=read,
    names=(r"(\S*_)?(calico-node_-bpf|calico-bpf)(_-6|_--ipv6)?_routes_dump\S*",),
    content=re.compile(r"^ {0,14}[\da-fA-F.:]+/\d+: (local|remote) (host|workload)\b", re.MULTILINE),
)
