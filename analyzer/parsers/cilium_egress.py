"""``cilium-dbg bpf egress list``: which packets of pods leave the cluster by a gateway (cilium-dbg/cmd/bpf_egress_list.go)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from analyzer.addresses import address, prefix
from analyzer.facts.base import Fact
from analyzer.facts.cilium import EgressEntryFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._cilium import COLUMNS, ENDING, PROGRAM, failure, listed
from analyzer.parsers._words import Places, is_json
from analyzer.source import Gap, Source, Span

HEADING = re.compile(r"Source IP\s+Destination CIDR")
EXCLUDED, NOBODY = "Excluded CIDR", "Not Found"
QUIET = re.compile(r"No entries found\.|Cannot find egress gateway bpf maps?")


def read(source: Source) -> Iterator[Fact | Gap]:
    """Entries in the order of the text."""
    if is_json(source.text):
        whole = Places(source).span(0, 1)
        for item in listed(json.loads(source.text)):
            yield read_one(source, [str(item.get(name, "")) for name in ("SourceIP", "DestCIDR", "EgressIP", "GatewayIP")], whole)
        return
    for number, raw in enumerate(source.text.split("\n"), 1):
        line = raw.strip()
        if not line or HEADING.match(line) or QUIET.match(line):
            continue
        if problem := failure(line):
            yield gap(source, number, problem)
            continue
        yield read_one(source, COLUMNS.split(line), Span(source.path, number))


def read_one(source: Source, words: list[str], at: Span) -> Fact | Gap:
    """One entry: ``10.244.1.5   0.0.0.0/0   192.0.2.9   172.18.0.3``."""
    try:
        own, target, egress, gateway = words
        there = None if gateway in (EXCLUDED, NOBODY) else address(gateway)
        return EgressEntryFact(
            at=at,
            scope=source.scope,
            source=address(own),
            target=prefix(target),
            egress=address(egress) if there is not None else None,
            gateway=there,
            excluded=gateway == EXCLUDED,
        )
    except UNREADABLE as problem:
        return gap(source, at.line, reason(problem))


PARSER = Parser(
    kind="cilium-egress",
    read=read,
    names=(PROGRAM + r"bpf[-_]egress[-_](list|ls)" + ENDING,),
    content=re.compile(r"^Source IP\s+Destination CIDR\s+Egress IP\s+Gateway IP", re.MULTILINE),
)
