"""``ovn-nbctl show`` (utilities/ovn-nbctl.c, ``print_ls``, ``print_lr``): logical switches and routers with their ports."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.facts.ovn import LogicalObjectFact, LogicalPortFact
from analyzer.parsers import UNREADABLE, Parser, gap, ovn_list, reason
from analyzer.parsers._ovn_lists import listed
from analyzer.parsers._ovsdb import unquoted, value_of
from analyzer.parsers._words import refuse_errors
from analyzer.source import Gap, Source, Span

OWNER = re.compile(r"\s*(switch|router) ([0-9a-f-]+)(?: \((.*?)\))?(?: \(aka (.*)\))?\s*")
PORT = re.compile(r"\s*port (\S+)(?: \(aka .*\))?\s*")
NAT = re.compile(r"\s*nat (\S+)\s*")
COLUMN = re.compile(r"\s*([a-z0-9_-]+(?: [a-z]+)*): ?(.*)")
RECORD = re.compile(r"\s*[A-Za-z_][A-Za-z0-9_]* +: .*")
PASSED = re.compile(r"\s*(#.*|\$ .*|\.\.\.|sh-\S+ .*|\[\S+@\S+ .*|-+|I\d{4} .*|#+.*)\s*")


class Reading:
    """The switch or router, and the port or translation, that is being read."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.owner, self.router = "", False
        self.kind, self.name = "", ""
        self.at: Span | None = None
        self.columns: dict[str, str] = {}

    def finished(self) -> Iterator[Fact]:
        """The port or translation, once its columns are known."""
        columns, at = self.columns, self.at
        self.columns, self.at = {}, None
        if at is None:
            return
        if self.kind == "nat":
            told = tuple(sorted((key.replace(" ", "_"), unquoted(value)) for key, value in columns.items()))
            yield LogicalObjectFact(at=at, scope=self.source.scope, table="NAT", name=self.name, columns=told)
            return
        yield LogicalPortFact(
            at=at,
            scope=self.source.scope,
            name=self.name,
            owner=self.owner,
            router=self.router,
            kind=unquoted(columns.get("type", "")),
            addresses=texts(columns.get("addresses", "")),
            mac=unquoted(columns.get("mac", "")),
            networks=texts(columns.get("networks", "")),
            peer=unquoted(columns.get("router-port", "")),
        )


def texts(text: str) -> tuple[str, ...]:
    """The texts of a set."""
    found = value_of(text)
    return tuple(item for item in found if isinstance(item, str)) if isinstance(found, tuple) else ()


def read(source: Source) -> Iterator[Fact | Gap]:
    """Ports in the order of the text."""
    reading, record = Reading(source), False
    for number, line in enumerate(source.text.split("\n"), 1):
        record = line.lstrip().startswith("_uuid ") or (record and RECORD.fullmatch(line) is not None)
        if not line.strip() or record:
            continue
        try:
            yield from read_line(reading, number, line.rstrip())
        except UNREADABLE as problem:
            yield gap(source, number, reason(problem))
    yield from reading.finished()
    yield from records(source)


def records(source: Source) -> Iterator[Fact | Gap]:
    """The records (``list``) that stand in the same text."""
    if "_uuid " not in source.text:
        return
    lines, record = [], False
    for line in source.text.split("\n"):
        record = line.lstrip().startswith("_uuid ") or (record and RECORD.fullmatch(line) is not None)
        lines.append(line if record else "")
    yield from ovn_list.read(Source(source.path, "\n".join(lines), source.kind, source.scope))


def read_line(reading: Reading, number: int, line: str) -> Iterator[Fact]:
    """One line: something begins, or a column of what has begun."""
    at = Span(reading.source.path, number, len(line) - len(line.lstrip()) + 1)
    if (owner := OWNER.fullmatch(line)) is not None:
        yield from reading.finished()
        reading.owner, reading.router = unquoted(owner[3] or owner[2]), owner[1] == "router"
        table = "Logical_Router" if reading.router else "Logical_Switch"
        yield LogicalObjectFact(at=at, scope=reading.source.scope, table=table, name=reading.owner)
    elif (port := PORT.fullmatch(line) or NAT.fullmatch(line)) is not None:
        yield from reading.finished()
        reading.kind, reading.name, reading.at = line.split()[0], unquoted(port[1]), at
    elif (column := COLUMN.fullmatch(line)) is not None and reading.at is not None and line.startswith("    "):
        reading.columns[column[1]] = column[2]
    elif (found := listed(line, at, reading.source.scope)) is not None:
        yield from found
    elif not PASSED.fullmatch(line):
        refuse_errors(line)
        raise ValueError("switch, router, port, nat or one of their columns was expected")


PARSER = Parser(
    kind="ovn-show",
    read=read,
    names=(r"(kubectl_ko_nbctl|ovn-nbctl)(_-\S+)*(_\d+)?_show(_\S+)?", r"ovn_nbctl_show"),
    content=re.compile(r"^(switch|router) [0-9a-f]{8}-[0-9a-f-]{27} \(", re.MULTILINE),
)
