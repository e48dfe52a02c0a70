"""``ovs-vsctl list Interface``, ``list Port`` and ``list Bridge``, text and JSON (vswitchd/vswitch.ovsschema)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.facts.openvswitch import SwitchFact, SwitchPortFact
from analyzer.parsers import UNREADABLE, Parser, reason
from analyzer.parsers._ovsdb import Row, rows
from analyzer.source import Gap, Source


def read(source: Source) -> Iterator[Fact | Gap]:
    """What the rows say, by the columns that they have."""
    for row in rows(source):
        if isinstance(row, Gap):
            yield row
            continue
        try:
            yield from facts_of(source, row)
        except UNREADABLE as problem:
            yield Gap(row.at, reason(problem), source.kind, source.scope)


def facts_of(source: Source, row: Row) -> Iterator[Fact]:
    """An interface has an OpenFlow number, a port a VLAN mode, a bridge a way to fail; other tables say nothing here."""
    names = row.columns.keys()
    if "ofport" in names or row.table == "Interface":
        yield interface(source, row)
    elif {"vlan_mode", "tag"} & names and "name" in names:
        yield SwitchPortFact(
            at=row.place("name"),
            scope=source.scope,
            name=row.text("name"),
            port=row.text("name"),
            tag=row.number("tag"),
            trunks=tuple(int(item) for item in row.texts("trunks") if item.isdecimal()),
            vlan_mode=row.text("vlan_mode"),
        )
    elif "fail_mode" in names and "name" in names:
        yield SwitchFact(
            at=row.place("name"),
            scope=source.scope,
            name=row.text("name"),
            fail_mode=row.text("fail_mode"),
            datapath=row.text("datapath_type"),
        )


def interface(source: Source, row: Row) -> SwitchPortFact:
    """A row of the table Interface."""
    kind = row.text("type")
    return SwitchPortFact(
        at=row.place("name"),
        scope=source.scope,
        name=row.text("name"),
        kind="" if kind == "system" else kind,
        options=row.pairs("options"),
        identifiers=row.pairs("external_ids"),
        number=row.number("ofport"),
        error=row.text("error"),
    )


PARSER = Parser(
    kind="ovs-list",
    read=read,
    names=(
        r"ovs-vsctl(_-\S+?)*_list_(-t_)?(?i:interface|port|bridge|open_vswitch|open)(\.json)?",
        r"ovs-vsctl_(-\S+_)*find_(?i:interface|port|bridge)\S*",
        r"ovsdb-client(_-\S+)*_dump(_\S*Open_vSwitch\S*)?",
    ),
    content=re.compile(r"^_uuid +: [0-9a-f-]{36}$(.|\n)*?^(ofport|vlan_mode|fail_mode|datapath_id) +:", re.MULTILINE),
)
