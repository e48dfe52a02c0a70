"""``ovn-nbctl list TABLE``, ``ovn-sbctl list TABLE`` and ``ovsdb-client dump`` of OVN's databases (ovn-nb(5), ovn-sb(5)); the table is the file's, or told from its columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from analyzer.facts.base import Fact
from analyzer.facts.ovn import ChassisFact, LogicalObjectFact, LogicalPortFact
from analyzer.parsers import UNREADABLE, Parser, reason
from analyzer.parsers._ovsdb import Row, Value, rows
from analyzer.source import Gap, Source

# Columns that only one table has.
TELLING: tuple[tuple[str, frozenset[str]], ...] = (
    ("Logical_Switch_Port", frozenset({"port_security", "addresses"})),
    ("Logical_Router_Port", frozenset({"networks", "gateway_chassis"})),
    ("Logical_Router_Static_Route", frozenset({"ip_prefix", "nexthop"})),
    ("Logical_Router_Policy", frozenset({"match", "nexthops"})),
    ("NAT", frozenset({"external_ip", "logical_ip"})),
    ("Load_Balancer", frozenset({"vips", "protocol"})),
    ("ACL", frozenset({"match", "severity"})),
    ("QoS", frozenset({"match", "bandwidth"})),
    ("Port_Group", frozenset({"acls", "ports"})),
    ("Logical_Router", frozenset({"static_routes", "nat"})),
    ("Logical_Switch", frozenset({"qos_rules", "ports"})),
    ("Chassis", frozenset({"encaps", "hostname"})),
    ("Encap", frozenset({"chassis_name", "ip"})),
    ("Address_Set", frozenset({"addresses", "name"})),
    ("BFD", frozenset({"dst_ip", "detect_mult"})),
    ("Port_Binding", frozenset({"logical_port", "tunnel_key"})),
    ("Datapath_Binding", frozenset({"tunnel_key", "external_ids"})),
)


def read(source: Source) -> Iterator[Fact | Gap]:
    """A fact for each row."""
    for row in rows(source):
        if isinstance(row, Gap):
            yield row
            continue
        try:
            yield fact_of(source, row)
        except UNREADABLE as problem:
            yield Gap(row.at, reason(problem), source.kind, source.scope)


def fact_of(source: Source, row: Row) -> Fact:
    """A port, a chassis, or a row of another table."""
    table = row.table or source.subject or told(row)
    match table.lower():
        case "logical_switch_port":
            options = dict(row.pairs("options"))
            return LogicalPortFact(
                at=row.place("name"),
                scope=source.scope,
                name=row.text("name"),
                kind=row.text("type"),
                addresses=row.texts("addresses"),
                security=row.texts("port_security"),
                peer=options.get("router-port", ""),
            )
        case "logical_router_port":
            return LogicalPortFact(
                at=row.place("name"),
                scope=source.scope,
                name=row.text("name"),
                router=True,
                mac=row.text("mac"),
                networks=row.texts("networks"),
                peer=row.text("peer"),
            )
        case "chassis":
            return ChassisFact(at=row.place("name"), scope=source.scope, name=row.text("name"), hostname=row.text("hostname"))
        case _:
            columns = tuple(sorted((name, written(value)) for name, value in row.columns.items() if name != "_uuid"))
            return LogicalObjectFact(
                at=row.place("name"), scope=source.scope, table=table, name=row.text("name"), columns=columns
            )


def told(row: Row) -> str:
    """The table, by its columns; empty where they do not say."""
    names = row.columns.keys()
    return next((table for table, has in TELLING if has <= names), "")


def written(value: Value) -> str:
    """A column as one text."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return " ".join(f"{key}={item}" for key, item in sorted(value.items()))
    return " ".join(item for item in value if isinstance(item, str))


PARSER = Parser(
    kind="ovn-list",
    read=read,
    names=(
        r"(kubectl_ko_[ns]bctl|ovn-[ns]bctl)(_-\S+?)*(_\d+)?_list_(-t_)?(?P<subject>[A-Za-z_]+?)(\.json)?",
        r"ovsdb-client(_-\S+)*_dump_\S*OVN_(North|South)bound\S*",
    ),
    content=re.compile(
        r"^_uuid +: [0-9a-f-]{36}$(.|\n)*?^(port_security|ip_prefix|external_ip|severity|vips|gateway_chassis|acls|nexthops) +:"
        r"|^Logical_Switch(_Port)? table$",
        re.MULTILINE,
    ),
)
