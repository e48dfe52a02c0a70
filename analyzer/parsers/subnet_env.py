"""``/run/flannel/subnet.env``: what flanneld tells the CNI plugin (pkg/subnet/subnet.go, WriteSubnetFile)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.facts.system import SubnetFileFact
from analyzer.parsers import Parser, gap
from analyzer.source import Gap, Source, Span

LINE = re.compile(r"\s*(?:export\s+)?([A-Z][A-Z0-9_]*)=(.*)")


def read(source: Source) -> Iterator[Fact | Gap]:
    """One fact with the variables in order; a gap for each other line."""
    values = []
    for number, line in enumerate(source.text.split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if found := LINE.fullmatch(line):
            values.append((found[1], found[2].strip().strip("'\"")))
        else:
            yield gap(source, number, f"expected NAME=VALUE, not {line[:60]!r}")
    yield SubnetFileFact(at=Span(source.path, 1), scope=source.scope, values=tuple(values))


PARSER = Parser(
    kind="subnet-env",
    read=read,
    names=(r"(.*/)?run/flannel/subnet\.env", r"subnet\.env"),
    content=re.compile(r"^FLANNEL_(NETWORK|SUBNET|MTU|IPMASQ|IPV6_NETWORK)=", re.MULTILINE),
)
