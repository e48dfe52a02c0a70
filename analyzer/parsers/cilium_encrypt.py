"""``cilium-dbg encrypt status``: how the node encrypts (cilium-dbg/cmd/encrypt_status.go)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.facts.cilium import AgentFact
from analyzer.parsers import Parser, gap
from analyzer.parsers._cilium import ENDING, PROGRAM, failure
from analyzer.source import Gap, Source, Span

LINE = re.compile(r"(?P<name>[\w()-][\w ()-]*):\s*(?P<value>.*)")


def read(source: Source) -> Iterator[Fact | Gap]:
    """What stands in the line ``Encryption:``; keys and peers are passed over."""
    for number, raw in enumerate(source.text.split("\n"), 1):
        line = raw.rstrip()
        found = LINE.fullmatch(line.strip())
        if line and (found is None or failure(line)):
            yield gap(source, number, failure(line) or f"expected a line of encrypt status, not {line.strip()[:60]!r}")
        elif found is not None and found["name"] == "Encryption":
            yield AgentFact(at=Span(source.path, number), scope=source.scope, values={"Encryption": found["value"]})


PARSER = Parser(
    kind="cilium-encrypt",
    read=read,
    names=(PROGRAM + r"encrypt[-_]status" + ENDING,),
    content=re.compile(r"\AEncryption: (Wireguard|IPsec|Disabled)\s*$", re.MULTILINE),
)
