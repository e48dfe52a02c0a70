"""``ovs-dpctl show`` and ``ovs-appctl dpctl/show``: the ports of each datapath (lib/dpctl.c, ``show_dpif``)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.facts.openvswitch import DatapathPortFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._words import refuse_errors
from analyzer.source import Gap, Source, Span

HEAD = re.compile(r"(\S+@\S+):\s*")
PORT = re.compile(r"\s+port (\d+): (\S+)(?: \((\w+).*\))?\s*")
PASSED = re.compile(r"(RX |TX |collisions|lookups|flows|masks|caches?|[^:]*: (hit|hits|total|\d+|size)).*|#.*")


def read(source: Source) -> Iterator[Fact | Gap]:
    """Ports by line, each of the datapath above it."""
    datapath = ""
    for number, line in enumerate(source.text.split("\n"), 1):
        head = HEAD.fullmatch(line)
        if head is not None:
            datapath = head[1]
        elif line.strip() and not PASSED.fullmatch(line.strip()):
            try:
                yield port_of(source, datapath, line, Span(source.path, number))
            except UNREADABLE as problem:
                yield gap(source, number, reason(problem))


def port_of(source: Source, datapath: str, line: str, at: Span) -> DatapathPortFact:
    """``  port 2: genev_sys_6081 (geneve: packet_type=ptap)``."""
    found = PORT.fullmatch(line)
    if found is None:
        refuse_errors(line)
        raise ValueError("a port of a datapath was expected: port 1: eth0")
    return DatapathPortFact(
        at=at, scope=source.scope, datapath=datapath, name=found[2], number=int(found[1]), kind=found[3] or ""
    )


PARSER = Parser(
    kind="ovs-datapath",
    read=read,
    names=(r"ovs-dpctl(_-\S+)*_show", r"ovs-appctl(_-\S+)*_dpctl[._]show(_\S+)?"),
    content=re.compile(r"^(system|netdev)@\S+:\n\s+(lookups|port \d)", re.MULTILINE),
)
