"""``cilium-dbg bpf tunnel list`` (until 1.17): the node of each pod CIDR (pkg/maps/tunnel/tunnel.go)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.facts.cilium import TunnelEntryFact
from analyzer.parsers import Parser
from analyzer.parsers._cilium import ENDING, PROGRAM, Row, ends, read_rows
from analyzer.source import Gap, Source

HEADING = re.compile(r"TUNNEL\s+VALUE")


def read(source: Source) -> Iterator[Fact | Gap]:
    """Entries in the order of the text: ``10.244.2.0:0   172.21.0.2:0``. What follows a colon is a cluster's number, or a key's."""

    def entry(row: Row) -> TunnelEntryFact:
        network, node = ends(row.key.partition("@")[0])[0], ends(row.value)[0]
        return TunnelEntryFact(at=row.at, scope=source.scope, network=network, node=node)

    return read_rows(source, HEADING, entry)


PARSER = Parser(
    kind="cilium-tunnel",
    read=read,
    names=(PROGRAM + r"bpf[-_]tunnel[-_](list|ls)" + ENDING,),
    content=re.compile(r"^TUNNEL\s+VALUE\s*$", re.MULTILINE),
)
