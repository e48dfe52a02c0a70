"""``cilium-dbg node list``: the nodes as the agent knows them, with their pod networks (cilium-dbg/cmd/node_list.go)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.addresses import address, prefix
from analyzer.facts.base import Fact
from analyzer.facts.cilium import AgentNodeFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._cilium import COLUMNS, ENDING, PROGRAM, failure
from analyzer.parsers._words import is_json
from analyzer.source import Gap, Source, Span

HEADING = re.compile(r"Name\s+IPv4 Address\s+Endpoint CIDR")


def read(source: Source) -> Iterator[Fact | Gap]:
    """Nodes in the order of the text: ``cluster/node   192.168.0.12   10.244.2.0/24   kvstore``."""
    if is_json(source.text):
        raise ValueError("the JSON of node list is not read: use its text")
    for number, raw in enumerate(source.text.split("\n"), 1):
        line = raw.strip()
        if not line or HEADING.match(line):
            continue
        try:
            name, *cells = COLUMNS.split(line)
            hosts = tuple(address(cell) for cell in cells if "/" not in cell and (":" in cell or cell[:1].isdigit()))
            networks = tuple(prefix(cell) for cell in cells if "/" in cell)
            if not hosts:
                raise ValueError(f"expected a node with its address, not {line[:60]!r}")
            at = Span(source.path, number)
            yield AgentNodeFact(at=at, scope=source.scope, name=name.rpartition("/")[2], addresses=hosts, networks=networks)
        except UNREADABLE as problem:
            yield gap(source, number, failure(line) or reason(problem))


PARSER = Parser(
    kind="cilium-nodes",
    read=read,
    names=(PROGRAM + r"node[-_](list|ls)" + ENDING,),
    content=re.compile(r"^Name\s+IPv4 Address\s+Endpoint CIDR", re.MULTILINE),
)
