"""``cilium-dbg bpf endpoint list``: the local endpoints by address, and the host's own addresses (pkg/maps/lxcmap/lxcmap.go ``EndpointInfo.String``)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.addresses import address, hardware_address
from analyzer.facts.base import Fact
from analyzer.facts.cilium import EndpointEntryFact
from analyzer.parsers import Parser, gap
from analyzer.parsers._cilium import ENDING, PROGRAM, Row, numbered, pairs, read_rows
from analyzer.source import Gap, Source

HEADING = re.compile(r"IP ADDRESS\s+LOCAL ENDPOINT INFO")
HOST_FLAG = 1
EMPTY = "the endpoint map has no entry: that of a running agent has the node's own addresses; the listing was cut off, or made while the agent began"
BLANKS = re.compile(r"(\w+)=\s+(?=\S)")


def read(source: Source) -> Iterator[Fact | Gap]:
    """Entries in the order of the text: ``10.244.1.87:0   id=1478  sec_id=22446 flags=0x0000 ifindex=12 mac=… nodemac=…`` and ``(localhost)``. The key's
    number stands after an address of IPv6 as after any other, without brackets (pkg/bpf/endpoint.go ``EndpointKey.String``)."""

    def entry(row: Row) -> EndpointEntryFact:
        own = address(row.key.rpartition(":")[0].partition("@")[0].strip("[]"))
        if row.value.startswith("(localhost)"):
            return EndpointEntryFact(at=row.at, scope=source.scope, address=own, host=True)
        found = pairs(BLANKS.sub(r"\1=", row.value))
        return EndpointEntryFact(
            at=row.at,
            scope=source.scope,
            address=own,
            host=bool(int(found.get("flags", "0"), 16) & HOST_FLAG),
            identifier=numbered(found["id"]),
            identity=numbered(found.get("sec_id", "0")),
            index=numbered(found.get("ifindex", found.get("lxc", "0"))),
            mac=hardware_address(found["mac"]),
            node_mac=hardware_address(found["nodemac"]) if "nodemac" in found else None,
        )

    found = list(read_rows(source, HEADING, entry))
    yield from found
    if not found:
        yield gap(source, 1, EMPTY)


PARSER = Parser(
    kind="cilium-endpoint-map",
    read=read,
    names=(PROGRAM + r"bpf[-_]endpoint[-_](list|ls)" + ENDING,),
    content=re.compile(r"^IP ADDRESS\s+LOCAL ENDPOINT INFO", re.MULTILINE),
)
