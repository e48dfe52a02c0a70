"""``weave report``: a peer's whole state as JSON (weaveworks/weave prog/weaver/http.go ``WeaveStatus``, ipam/status.go, mesh/status.go)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.addresses import address, prefix
from analyzer.facts.base import Fact
from analyzer.facts.weave import ConnectionStateFact, RingEntryFact, RingFact
from analyzer.parsers import Parser
from analyzer.parsers._columns import Finder
from analyzer.parsers.weave_status import info
from analyzer.source import Gap, Source


def read(source: Source) -> Iterator[Fact | Gap]:
    """The connections, the ring and its parts, in the order in which the report has them."""
    document = json.loads(source.text)
    router, ring = mapping(document.get("Router")), mapping(document.get("IPAM"))
    finder = Finder(source)
    for item in router.get("Connections") or []:
        at = finder.span(f'"{item["Address"]}"')
        way, other, nickname, mtu = info(str(item.get("Info") or ""))
        yield ConnectionStateFact(
            at=at,
            scope=source.scope,
            address=item["Address"],
            state=item["State"],
            outbound=bool(item.get("Outbound")),
            other=other,
            nickname=nickname,
            way=way,
            mtu=mtu,
            problem="" if way else str(item.get("Info") or ""),
        )
    if ring.get("Range"):
        waiting = tuple(str(item) for item in ring.get("PendingAllocates") or ())
        names = str(router.get("Name") or ""), str(router.get("NickName") or "")
        at = finder.span(f'"{ring["Range"]}"')
        network = prefix(ring["Range"])
        yield RingFact(
            at=at,
            scope=source.scope,
            network=network,
            peer=names[0],
            nickname=names[1],
            waiting=waiting,
            settled=not ring.get("Paxos"),
        )
        yield from entries(source, ring)


def entries(source: Source, ring: Mapping[str, Any]) -> Iterator[Fact]:
    """The parts of the ring."""
    finder = Finder(source)
    finder.span('"Entries"')
    for item in ring.get("Entries") or []:
        yield RingEntryFact(
            at=finder.span(f'"{item["Token"]}"'),
            scope=source.scope,
            peer=item["Peer"],
            nickname=str(item.get("Nickname") or ""),
            first=address(item["Token"]),
            size=item.get("Size", 0),
            known=item.get("IsKnownPeer") is not False,
        )


def mapping(value: object) -> Mapping[str, Any]:
    """The value where it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


PARSER = Parser(
    kind="weave-report",
    read=read,
    names=(r"weave(_--local)?_report(\.json)?", r"weave-report(\.json)?"),
    content=re.compile(r"\A\s*\{[\s\S]{0,600}\"Router\"\s*:\s*\{[\s\S]{0,200}\"Protocol\"\s*:\s*\"weave\""),
)
