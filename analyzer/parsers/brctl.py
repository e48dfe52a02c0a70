"""``brctl show`` and ``brctl showmacs``: bridges of old tools."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.facts.neighbours import BridgePortFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._words import refuse_errors
from analyzer.source import Gap, Source, Span

ROW = re.compile(r"^(\S+)\s+([0-9a-f]{4}\.[0-9a-f]{12})\s+(yes|no)(?:\s+(\S+))?\s*$")


def read(source: Source) -> Iterator[Fact | Gap]:
    """The ports of each bridge; further ports stand alone on indented lines. MAC lists name ports by number only and say nothing here."""
    bridge = ""
    for number, raw in enumerate(source.text.split("\n"), 1):
        line = raw.rstrip("\r ")
        if not line.strip() or line.startswith(("bridge name", "port no")) or re.match(r"^\s+\d+\s+([0-9a-f]{2}:){5}", line):
            continue
        try:
            refuse_errors(line)
            found = ROW.match(line)
            if found:
                bridge, port = found.group(1), found.group(4)
            elif bridge and line[0] in " \t":
                port = line.strip()
            else:
                raise ValueError(f"expected a bridge, not {line[:60]!r}")
            if port:
                yield BridgePortFact(at=Span(source.path, number), scope=source.scope, device=port, master=bridge)
        except UNREADABLE as problem:
            yield gap(source, number, reason(problem))


PARSER = Parser(
    kind="brctl", read=read, names=(r"brctl(_\S+)*",), content=re.compile(r"^bridge name\s+bridge id\s+STP enabled", re.MULTILINE)
)
