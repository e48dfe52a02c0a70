"""``cilium-dbg bpf lb list --source-ranges``: who may ask at a load balancer's addresses, by the number of its translation (pkg/maps/lbmap/source_range.go)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.addresses import prefix
from analyzer.facts.base import Fact
from analyzer.facts.cilium import SourceRangeFact
from analyzer.parsers import Parser
from analyzer.parsers._cilium import ENDING, PROGRAM, Row, numbered, read_rows
from analyzer.source import Gap, Source

HEADING = re.compile(r"SOURCE RANGE \(REVNAT_ID\)")
KEY = re.compile(r"(?P<range>[0-9a-fA-F.:]+/\d+) \((?P<reverse>\d+)\)")


def read(source: Source) -> Iterator[Fact | Gap]:
    """Entries in the order of the text: ``192.0.2.0/24 (7)``."""

    def entry(row: Row) -> SourceRangeFact:
        found = KEY.fullmatch(row.key)
        if found is None:
            raise ValueError(f"expected a range of addresses and a number, not {row.key[:60]!r}")
        return SourceRangeFact(at=row.at, scope=source.scope, prefix=prefix(found["range"]), reverse=numbered(found["reverse"]))

    return read_rows(source, HEADING, entry)


PARSER = Parser(
    kind="cilium-source-ranges",
    read=read,
    names=(PROGRAM + r"bpf[-_]lb[-_](list|ls)[-_]+source-ranges" + ENDING,),
    content=re.compile(r"^SOURCE RANGE \(REVNAT_ID\)", re.MULTILINE),
)
