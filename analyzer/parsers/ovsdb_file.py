"""A database of OVSDB as its server keeps it on disk: OVN's of an OpenShift must-gather (``<pod>_nbdb``, ``<pod>_sbdb``), and ``conf.db`` of Open vSwitch.

After ovsdb(7), "File Formats", and RFC 7047: records of a line ``OVSDB JSON <length> <SHA-1>`` and a line of JSON; the first is the schema, each other a transaction, which says of
each table the columns that changed, by row, and null for a row that is deleted. The rows are those after the last transaction. The clustered format (``OVSDB CLUSTER``) is
Raft's log, of which no row is certain; ``ovsdb-tool cluster-to-standalone`` makes this one of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from analyzer.facts.base import Fact
from analyzer.facts.ovn import LogicalPortFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._ovsdb import Row, Value, json_value
from analyzer.parsers.ovn_list import fact_of
from analyzer.source import Gap, Source, Span

HEADER = re.compile(r"OVSDB (JSON|CLUSTER) (\d+) ([0-9a-f]{40})$")
READ = frozenset(
    {
        *("Logical_Switch_Port", "Logical_Router_Port", "Logical_Router_Static_Route", "Logical_Router_Policy", "Logical_Switch"),
        *("Logical_Router", "NAT", "Load_Balancer", "ACL", "Chassis"),
    }
)
Rows = dict[tuple[str, str], tuple[int, dict[str, object]]]


def read(source: Source) -> Iterator[Fact | Gap]:
    """A fact for each row of OVN's tables, at the line of the transaction that wrote it last."""
    rows: Rows = {}
    for number, text in records(source):
        if isinstance(text, Gap):
            yield text
            continue
        try:
            replay(json.loads(text), number, rows)
        except UNREADABLE as problem:
            yield gap(source, number, f"a transaction was expected: {reason(problem)}")
    owners = dict(owned(rows))
    for (table, name), (number, columns) in sorted(rows.items()):
        if table not in READ:
            continue
        try:
            fact = fact_of(source, row_of(source, table, number, columns))
            yield replace(fact, owner=owners.get(name, "")) if isinstance(fact, LogicalPortFact) else fact
        except UNREADABLE as problem:
            yield gap(source, number, f"a row of {table}: {reason(problem)}")


def records(source: Source) -> Iterator[tuple[int, str | Gap]]:
    """The transactions with their lines; the schema is passed over, and a gap stands for what is cut off or Raft's."""
    lines = source.text.split("\n")
    schema = True
    for number, line in enumerate(lines, 1):
        found = HEADER.fullmatch(line)
        if found is None:
            continue
        if found[1] == "CLUSTER":
            yield (
                number,
                gap(source, number, "a clustered database: `ovsdb-tool cluster-to-standalone` makes one that can be read"),
            )
            return
        text = lines[number] if number < len(lines) else ""
        if len(text.encode()) + 1 != int(found[2]):
            yield number, gap(source, number, "the database breaks off here: what was written later is not known")
            return
        if not schema:
            yield number + 1, text
        schema = False


def replay(transaction: object, number: int, rows: Rows) -> None:
    """Applies a transaction to the rows. ValueError where it is none."""
    if not isinstance(transaction, dict):
        raise ValueError("an object")
    for table, changed in transaction.items():
        if table.startswith("_"):
            continue
        for name, columns in changed.items():
            if columns is None:
                rows.pop((table, name), None)
            else:
                rows[table, name] = (number, {**rows.get((table, name), (0, {}))[1], **columns})


def owned(rows: Rows) -> Iterator[tuple[str, str]]:
    """The switch or router of each port, by the port's identifier."""
    for (table, _), (_, columns) in rows.items():
        if table in ("Logical_Switch", "Logical_Router"):
            ports = json_value(columns.get("ports"))
            for port in (ports,) if isinstance(ports, str) else ports if isinstance(ports, tuple) else ():
                yield str(port), str(columns.get("name") or "")


def row_of(source: Source, table: str, number: int, columns: Mapping[str, object]) -> Row:
    """A row as the readers of listings take it."""
    values: dict[str, Value] = {name: json_value(value) for name, value in sorted(columns.items())}
    return Row(Span(source.path, number), values, {}, table)


PARSER = Parser(
    kind="ovsdb-file",
    read=read,
    names=(r"\S+_[ns]bdb", r"leader_[ns]bdb", r"ovn[ns]b_db\.db"),
    content=re.compile(r"\AOVSDB (JSON|CLUSTER) \d+ [0-9a-f]{40}$", re.MULTILINE),
)
