"""``birdc show protocols``, also ``all``: BIRD's sessions (BIRD 1.6 and 2: nest/proto.c ``proto_cmd_show``, proto/bgp/bgp.c ``bgp_show_proto_info``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from analyzer.addresses import Address, address
from analyzer.facts.base import Fact
from analyzer.facts.bgp import ESTABLISHED, ProtocolFact, SessionFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._bird import CODE, PROGRAM, heading, peer_of
from analyzer.parsers._words import refuse_errors
from analyzer.source import Gap, Source, Span

ROW = re.compile(
    r"(?P<name>\S+)\s+(?P<kind>[A-Z]\w+)\s+(?P<table>\S+)\s+(?P<state>up|start|down|stop|flush)\s+(?P<since>\d\S*( \d\d:\d\d:\d\d(\.\d+)?)?)\s*(?P<info>.*)"
)
STATES = re.compile(r"(Idle|Connect|Active|OpenSent|OpenConfirm|Established|Close|Passive|Down)\b\s*(?P<rest>.*)")
ROUTES = re.compile(r"(\d+) imported, (?:(\d+) filtered, )?(\d+) exported")
COUNTERS = re.compile(r"(Import|Export) (updates|withdraws)|received\s+rejected")


@dataclass(slots=True)
class Block:
    """A protocol while its lines are read."""

    line: int
    words: re.Match[str]
    values: dict[str, str] = field(default_factory=dict)


def read(source: Source) -> Iterator[Fact | Gap]:
    """Protocols in the order of the listing; the lines below one, which ``all`` prints, are indented."""
    block: Block | None = None
    for number, raw in enumerate(source.text.split("\n"), 1):
        line = CODE.sub("", raw.rstrip())
        if not line.strip() or heading(line):
            continue
        found = ROW.fullmatch(line)
        if found:
            yield from finished(source, block)
            block = Block(number, found)
        elif block is not None and line[0] in " \t":
            noted(block, line.strip())
        else:
            try:
                refuse_errors(line)
                yield gap(source, number, f"expected a protocol of BIRD's, not {line.strip()[:60]!r}")
            except ValueError as problem:
                yield gap(source, number, reason(problem))
    yield from finished(source, block)


def noted(block: Block, line: str) -> None:
    """One line of a protocol. The numbers of several channels are added up; counters, timers and capabilities decide nothing."""
    key, colon, value = line.partition(":")
    value = value.strip()
    if key == "Routes" and (found := ROUTES.search(value)):
        for name, number in (("received", found[1]), ("sent", found[3])):
            block.values[name] = str(int(block.values.get(name, "0")) + int(number))
    elif key == "Output filter" and block.values.get(key, value) != value:
        block.values[key] = ""
    elif colon and value and not COUNTERS.match(line):
        block.values.setdefault(key, value)


def finished(source: Source, block: Block | None) -> Iterator[Fact | Gap]:
    """The fact of one protocol."""
    if block is None:
        return
    try:
        yield session(source, block) if block.words["kind"] == "BGP" else protocol(source, block)
    except UNREADABLE as problem:
        yield gap(source, block.line, reason(problem))


def protocol(source: Source, block: Block) -> ProtocolFact:
    """A protocol that is no session."""
    words, values = block.words, block.values
    return ProtocolFact(
        at=Span(source.path, block.line),
        scope=source.scope,
        name=words["name"],
        kind=words["kind"],
        up=words["state"] == "up",
        table=values.get("Table", "") or words["table"].strip("-"),
        outward=values.get("Output filter", ""),
        sent=number(values.get("sent")),
    )


def session(source: Source, block: Block) -> SessionFact:
    """A session: its state stands behind the time, an error behind that. A protocol that is up is established."""
    words, values = block.words, block.values
    found = STATES.match(words["info"])
    state = values.get("BGP state") or (found[1] if found else "")
    if not state:
        state = {"up": ESTABLISHED, "down": "Down", "stop": "Close", "flush": "Down"}.get(words["state"], "Idle")
    problem = values.get("Last error") or (found["rest"].strip() if found else words["info"].strip())
    peer = values.get("Neighbor address")
    return SessionFact(
        at=Span(source.path, block.line),
        scope=source.scope,
        program="bird",
        name=words["name"],
        peer=neighbour(peer) if peer else peer_of(words["name"]),
        state=state,
        remote_as=number(values.get("Neighbor AS")),
        local_as=number(values.get("Local AS")),
        disabled=words["state"] == "down" and not problem,
        problem=problem,
        received=number(values.get("received")),
        sent=number(values.get("sent")),
        outward=values.get("Output filter", ""),
    )


def neighbour(text: str) -> Address | None:
    """A peer's address, without its device (``fe80::1%eth0``) and port; None for a range (``10.0.0.0/24``: whoever comes from there)."""
    return None if "/" in text else address(text.split()[0].partition("%")[0])


def number(text: str | None) -> int | None:
    """The number that a value begins with."""
    return int(text.split()[0]) if text else None


PARSER = Parser(
    kind="bird-protocols",
    read=read,
    names=(PROGRAM + r"_show_protocols?(_all)?(_\S+)?", r"bird6?_protocols(_all)?"),
    content=re.compile(r"^(\d{4}-)?[Nn]ame +[Pp]roto +[Tt]able +[Ss]tate +[Ss]ince +[Ii]nfo\s*$", re.MULTILINE),
)
