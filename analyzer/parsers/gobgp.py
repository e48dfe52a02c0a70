"""``gobgp neighbor`` in all its forms: the sessions of kube-router and of whatever else runs GoBGP (osrg/gobgp cmd/gobgp/neighbor.go)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.addresses import address
from analyzer.facts.base import Fact
from analyzer.facts.bgp import ESTABLISHED, SessionFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._columns import Finder
from analyzer.parsers._words import is_json, refuse_errors
from analyzer.source import Gap, Source, Span

ROW = re.compile(
    r"(?P<peer>[0-9a-fA-F.:]+)(?:%\S+)?\s+(?P<as>\d+)\s+(?P<up>\S+(?: \d\d:\d\d:\d\d)?)\s+(?P<state>[A-Za-z]+)(?:\((?P<why>\w+)\))?\s*\|\s*(?P<received>\d+)\s+(?P<taken>\d+)"
)
HEADING = re.compile(r"Peer +AS +Up/Down +State")
BEGIN = re.compile(r"BGP neighbor is (?P<peer>[0-9a-fA-F.:]+)(?:%\S+)?, remote AS (?P<as>\d+)")
STATE = re.compile(r"\s+BGP state = (?P<state>\w+)")
COUNT = re.compile(r"\s+(?P<what>Advertised|Accepted): +(?P<count>\d+)")
NAMES: Mapping[str, str] = {
    "ESTABL": ESTABLISHED,
    "ESTABLISHED": ESTABLISHED,
    "IDLE": "Idle",
    "CONNECT": "Connect",
    "ACTIVE": "Active",
    "SENT": "OpenSent",
    "OPENSENT": "OpenSent",
    "CONFIRM": "OpenConfirm",
    "OPENCONFIRM": "OpenConfirm",
}
NUMBERS = ("", "Idle", "Connect", "Active", "OpenSent", "OpenConfirm", ESTABLISHED)


def read(source: Source) -> Iterator[Fact | Gap]:
    """Sessions in the order of the listing."""
    if is_json(source.text):
        yield from of_json(source, json.loads(source.text))
        return
    block: dict[str, str] = {}
    line_of = 0
    for number, raw in enumerate(source.text.split("\n"), 1):
        line = raw.rstrip()
        if not line.strip() or HEADING.match(line):
            continue
        if begun := BEGIN.match(line):
            yield from finished(source, line_of, block)
            block, line_of = begun.groupdict(), number
        elif block:
            for found in (STATE.match(line), COUNT.match(line)):
                if found and "state" in found.groupdict():
                    block.setdefault("state", found["state"])
                elif found:
                    block[found["what"]] = found["count"]
        else:
            yield row(source, number, line)
    yield from finished(source, line_of, block)


def row(source: Source, number: int, line: str) -> Fact | Gap:
    """``172.18.0.1 64512 00:00:10 Establ      |        4         3``."""
    try:
        refuse_errors(line)
        found = ROW.match(line.strip())
        if found is None:
            raise ValueError(f"expected a session of GoBGP's, not {line.strip()[:60]!r}")
        return SessionFact(
            at=Span(source.path, number),
            scope=source.scope,
            program="gobgp",
            peer=address(found["peer"]),
            state=NAMES.get(found["state"].upper(), found["state"]),
            remote_as=int(found["as"]),
            disabled=found["why"] == "Admin",
            problem="" if found["why"] in (None, "Admin") else found["why"],
            received=int(found["taken"]),
        )
    except UNREADABLE as problem:
        return gap(source, number, reason(problem))


def finished(source: Source, number: int, block: Mapping[str, str]) -> Iterator[Fact | Gap]:
    """The fact of a block that ``gobgp neighbor ADDRESS`` prints."""
    if not block:
        return
    try:
        yield SessionFact(
            at=Span(source.path, number),
            scope=source.scope,
            program="gobgp",
            peer=address(block["peer"]),
            state=NAMES.get(block.get("state", "").upper(), block.get("state", "")),
            remote_as=int(block["as"]),
            received=int(block["Accepted"]) if "Accepted" in block else None,
            sent=int(block["Advertised"]) if "Advertised" in block else None,
        )
    except UNREADABLE as problem:
        yield gap(source, number, reason(problem))


def of_json(source: Source, document: Any) -> Iterator[Fact]:
    """``[{"conf": {"neighbor_address": …, "peer_asn": …}, "state": {"session_state": 6}}]``; states are numbers (api/gobgp.proto)."""
    finder = Finder(source)
    for item in document if isinstance(document, list) else [document]:
        conf, state = item["conf"], item.get("state", {})
        text = conf["neighbor_address"]
        known, admin = state.get("session_state", 0), state.get("admin_state", 0)
        yield SessionFact(
            at=finder.span(f'"{text}"'),
            scope=source.scope,
            program="gobgp",
            peer=address(text.partition("%")[0]),
            state=NUMBERS[known] if isinstance(known, int) and 0 <= known < len(NUMBERS) else str(known),
            remote_as=conf.get("peer_asn"),
            local_as=conf.get("local_asn"),
            disabled=admin == 1,
        )


PARSER = Parser(
    kind="gobgp-neighbors",
    read=read,
    names=(r"(kube-router_)?gobgp(_-\S+?)?_n(ei(ghbor)?)?(_-j|_[0-9a-fA-F.:]+)*(\.json)?",),
    content=re.compile(
        r"^Peer +AS +Up/Down +State +\|#Received|^BGP neighbor is \S+, remote AS \d+$|\A\s*\[\{\"apply_policy\"", re.MULTILINE
    ),
)
