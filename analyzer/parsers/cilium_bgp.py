"""``cilium-dbg bgp peers`` of an agent, and ``cilium bgp peers`` of the cluster, which has a column for the nodes (cilium-dbg/cmd/bgp_peers.go, cilium-cli/bgp/peers.go).

The JSON is a list of peers (``-o json``), or of such lists by node.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from analyzer.addresses import Address, address
from analyzer.facts.base import Fact
from analyzer.facts.bgp import SessionFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._cilium import ENDING, PROGRAM, failure
from analyzer.parsers._columns import Finder, cells
from analyzer.parsers._words import is_json
from analyzer.source import Gap, Scope, Source, Span

HEADING = re.compile(r"(Node\s+)?Local AS\s+Peer AS\s+Peer Address\s+Session")
STATES: Mapping[str, str] = {
    "established": "Established",
    "idle": "Idle",
    "connect": "Connect",
    "active": "Active",
    "open_sent": "OpenSent",
    "opensent": "OpenSent",
    "open_confirm": "OpenConfirm",
    "openconfirm": "OpenConfirm",
}


def read(source: Source) -> Iterator[Fact | Gap]:
    """Sessions in the order of the listing; a line without a peer is another family of the last one, whose numbers are added."""
    if is_json(source.text):
        yield from of_json(source, json.loads(source.text))
        return
    heading, last = "", None
    for number, raw in enumerate(source.text.split("\n"), 1):
        line = raw.rstrip()
        if HEADING.match(line):
            heading = line
        elif line.strip() and (
            problem := failure(line) or ("" if heading else f"expected the titles of the columns, not {line[:60]!r}")
        ):
            yield gap(source, number, problem)
        elif line.strip():
            try:
                told = cells(heading, line)
                if not told.get("Peer Address"):
                    last = more(last, told)
                    continue
                if last is not None:
                    yield last
                last = session(source, told, Span(source.path, number))
            except UNREADABLE as problem_of:
                yield gap(source, number, reason(problem_of))
    if last is not None:
        yield last


def session(source: Source, told: Mapping[str, str], at: Span) -> SessionFact:
    """One peer. Its address may have its port behind it."""
    state = told.get("Session State") or told.get("Session") or ""
    node = told.get("Node")
    return SessionFact(
        at=at,
        scope=Scope(node) if node else source.scope,
        program="cilium",
        peer=host(told["Peer Address"]),
        state=STATES.get(state.lower(), state),
        remote_as=int(told["Peer AS"]),
        local_as=int(told["Local AS"]),
        received=int(told["Received"]) if told.get("Received") else None,
        sent=int(told["Advertised"]) if told.get("Advertised") else None,
    )


def more(last: SessionFact | None, told: Mapping[str, str]) -> SessionFact:
    """The session with the numbers of one more family."""
    if last is None:
        raise ValueError("a family without its peer")
    received, sent = int(told.get("Received") or 0), int(told.get("Advertised") or 0)
    return replace(last, received=(last.received or 0) + received, sent=(last.sent or 0) + sent)


def host(text: str) -> Address:
    """An address, without the port behind it: ``10.0.1.1:179``, ``[fd00::1]:179``, and ``fd00::1:179`` as it is."""
    if text.startswith("["):
        return address(text[1:].partition("]")[0])
    return address(text.partition(":")[0] if text.count(":") == 1 else text)


def of_json(source: Source, document: Any) -> Iterator[Fact]:
    """``[{"local-asn": …, "peer-address": …, "session-state": "established", "families": [{"received": …, "advertised": …}]}]`` (api/v1/models/bgp_peer.go)."""
    finder = Finder(source)
    nodes = document.items() if isinstance(document, Mapping) else [("", document)]
    for node, peers in nodes:
        for item in peers:
            families = item.get("families") or []
            state = str(item.get("session-state") or "")
            yield SessionFact(
                at=finder.span(f'"{item["peer-address"]}"'),
                scope=Scope(str(node)) if node else source.scope,
                program="cilium",
                peer=host(item["peer-address"]),
                state=STATES.get(state.lower(), state),
                remote_as=item.get("peer-asn"),
                local_as=item.get("local-asn"),
                received=sum(int(one.get("received") or 0) for one in families),
                sent=sum(int(one.get("advertised") or 0) for one in families),
            )


PARSER = Parser(
    kind="cilium-bgp-peers",
    read=read,
    names=(PROGRAM + r"bgp[-_]peers" + ENDING,),
    content=re.compile(
        r"^(Node\s+)?Local AS\s+Peer AS\s+Peer Address\s+Session|\A\s*\[\s*\{[^{}]{0,200}\"peer-a(sn|ddress)\"\s*:", re.MULTILINE
    ),
)
