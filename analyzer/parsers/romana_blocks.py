"""Romana's blocks and hosts as its daemon gives them (``GET /blocks``, ``GET /hosts``; romana/core common/api/ipam.go ``IPAMBlocksResponse``, host.go ``HostList``)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from analyzer.addresses import address, prefix
from analyzer.facts.base import Fact
from analyzer.facts.romana import RomanaBlockFact, RomanaHostFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._columns import Finder
from analyzer.source import Gap, Source


def read(source: Source) -> Iterator[Fact | Gap]:
    """Blocks and hosts in the order of the text. An item that is none is a gap."""
    document = json.loads(source.text)
    finder = Finder(source)
    for item in document.get("blocks") or []:
        at = finder.span('"cidr"' if isinstance(item, dict) and "cidr" in item else "{")
        try:
            names = str(item.get("tenant") or ""), str(item.get("segment") or "")
            count = item.get("allocated_ip_count", 0)
            yield RomanaBlockFact(
                at=at, prefix=prefix(item["cidr"]), host=item["host"], tenant=names[0], segment=names[1], taken=count
            )
        except UNREADABLE as problem:
            yield gap(source, at.line, reason(problem))
    for item in document.get("hosts") or []:
        at = finder.span('"ip"')
        try:
            yield RomanaHostFact(at=at, name=str(item.get("name") or item.get("id") or ""), address=address(item["ip"]))
        except UNREADABLE as problem:
            yield gap(source, at.line, reason(problem))


PARSER = Parser(
    kind="romana-blocks",
    read=read,
    names=(r"romana[-_](blocks|hosts)(\.json)?", r"curl_\S*_(blocks|hosts)(\.json)?"),
    content=re.compile(
        r"\A\s*\{\s*(\"revision\"\s*:\s*\d+\s*,\s*)?(\"blocks\"\s*:\s*\[\s*\{\s*\"(cidr|tenant|host)\"|\"hosts\"\s*:\s*\[\s*\{\s*\"ip\"\s*:)"
    ),
    per="cluster",
)
