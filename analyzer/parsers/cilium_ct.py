"""``cilium-dbg bpf ct list global`` and ``bpf nat list``: connections that there are, which decide nothing about new ones; each line is looked at.

After pkg/maps/ctmap/ctmap.go (``doDumpEntries``) and pkg/maps/nat/nat.go (``DoDumpEntries``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.parsers import Parser, gap
from analyzer.parsers._cilium import ENDING, PROGRAM, failure
from analyzer.parsers._words import is_json
from analyzer.source import Gap, Source

ENTRY = re.compile(r"([A-Za-z]\w*|\d+) (IN|OUT|SVC|RELATED|IN:RELATED|OUT:RELATED)\S* \S+( ->|:)? \S+.*")


def read(source: Source) -> Iterator[Fact | Gap]:
    """Gaps for lines of another form."""
    if is_json(source.text):
        return
    for number, raw in enumerate(source.text.split("\n"), 1):
        line = raw.strip()
        if line and not ENTRY.fullmatch(line):
            yield gap(source, number, failure(line) or f"expected a connection, not {line[:60]!r}")


PARSER = Parser(
    kind="cilium-connections",
    read=read,
    names=(PROGRAM + r"bpf[-_](ct|nat)[-_](list|ls)" + ENDING,),
    content=re.compile(r"^(TCP|UDP|ICMP) (IN|OUT) \S+:\d+ -> \S+:\d+ (expires=|XLATE_)", re.MULTILINE),
)
