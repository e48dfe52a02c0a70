"""``ovn-sbctl show``: chassis with their encapsulations and bound ports (utilities/ovn-sbctl.c)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from analyzer.facts.base import Fact
from analyzer.facts.ovn import ChassisFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._ovsdb import unquoted
from analyzer.parsers._words import refuse_errors
from analyzer.source import Gap, Source, Span

HEAD = re.compile(r'\s*Chassis (\S+|".*")\s*')
PARTS = re.compile(r"\s*(Encap|Port_Binding|ip:|hostname:|options:) ?(.*)")
PASSED = re.compile(r"\s*(#.*|\$ .*|\.\.\.)\s*")


@dataclass(slots=True)
class Draft:
    """A chassis while its lines are read."""

    name: str
    at: Span
    hostname: str = ""
    kind: str = ""
    encapsulations: list[tuple[str, str]] = field(default_factory=list)
    ports: list[str] = field(default_factory=list)


def read(source: Source) -> Iterator[Fact | Gap]:
    """Chassis in the order of the text."""
    draft: Draft | None = None
    for number, line in enumerate(source.text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            head = HEAD.fullmatch(line.rstrip())
            if head is None:
                part(draft, line)
                continue
            yield from fact_of(source, draft)
            draft = Draft(unquoted(head[1]), Span(source.path, number, head.start(1) + 1))
        except UNREADABLE as problem:
            yield gap(source, number, reason(problem))
    yield from fact_of(source, draft)


def part(draft: Draft | None, line: str) -> None:
    """A line of a chassis."""
    found = PARTS.fullmatch(line.rstrip())
    if found is None or draft is None:
        if PASSED.fullmatch(line):
            return
        refuse_errors(line)
        raise ValueError("Chassis, hostname, Encap, ip, options or Port_Binding was expected")
    value = unquoted(found[2].strip())
    match found[1]:
        case "Encap":
            draft.kind = value
        case "ip:":
            draft.encapsulations.append((draft.kind, value))
        case "hostname:":
            draft.hostname = value
        case "Port_Binding":
            draft.ports.append(value)
        case _:
            return


def fact_of(source: Source, draft: Draft | None) -> Iterator[Fact]:
    """The chassis, once its lines are known."""
    if draft is not None:
        yield ChassisFact(
            at=draft.at,
            scope=source.scope,
            name=draft.name,
            hostname=draft.hostname,
            encapsulations=tuple(draft.encapsulations),
            ports=tuple(draft.ports),
        )


PARSER = Parser(
    kind="ovn-chassis",
    read=read,
    names=(r"(kubectl_ko_sbctl|ovn-sbctl)(_-\S+)*(_\d+)?_show", r"ovn_sbctl_show"),
    content=re.compile(r"^Chassis \S+$\n +(hostname|Encap)", re.MULTILINE),
)
