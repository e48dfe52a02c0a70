"""``cilium-dbg bpf ipcache list``: whose addresses are whose, and behind which node (pkg/maps/ipcache/ipcache.go ``RemoteEndpointInfo.String``)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.addresses import address, prefix
from analyzer.facts.base import Fact
from analyzer.facts.cilium import IpcacheFact
from analyzer.parsers import Parser, gap
from analyzer.parsers._cilium import ENDING, PROGRAM, Row, numbered, pairs, read_rows
from analyzer.source import Gap, Source

HEADING = re.compile(r"IP PREFIX/ADDRESS\s")
KNOWN = frozenset({"identity", "encryptkey", "tunnelendpoint", "nodeid", "flags"})

EMPTY = "the ipcache has no entry: that of a running agent has the node's own addresses at least; the listing was cut off, or made while the agent began"


def read(source: Source) -> Iterator[Fact | Gap]:
    """Entries in the order of the text."""

    def entry(row: Row) -> IpcacheFact:
        found = pairs(row.value)
        if unknown := found.keys() - KNOWN:
            raise ValueError(f"{', '.join(sorted(unknown))} of an entry of the ipcache is not understood")
        node = address(found.get("tunnelendpoint", "0.0.0.0").rstrip(","))
        return IpcacheFact(
            at=row.at,
            scope=source.scope,
            prefix=prefix(row.key.partition("@")[0]),
            identity=numbered(found["identity"]),
            tunnel=node if node.value else None,
            key=numbered(found.get("encryptkey", "0")),
            flags=frozenset(word for word in re.split(r"[ ,]+", found.get("flags", "")) if word and word != "<none>"),
        )

    found = list(read_rows(source, HEADING, entry))
    yield from found
    if not found:
        yield gap(source, 1, EMPTY)


PARSER = Parser(
    kind="cilium-ipcache",
    read=read,
    names=(PROGRAM + r"bpf[-_]ipcache[-_](list|ls|dump)" + ENDING,),
    content=re.compile(r"^IP PREFIX/ADDRESS\s+IDENTITY|\bidentity=\d+ encryptkey=\d+ tunnelendpoint=", re.MULTILINE),
)
