"""The store of the ``host-local`` plugin: one file for each address, with the container's id and the interface inside.

containernetworking/plugins, plugins/ipam/host-local/backend/disk/backend.go: ``<id>\\r\\n<interface>`` in a file named for the address,
``last_reserved_ip.<range>`` with an address, and ``lock``.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.addresses import address
from analyzer.facts.base import Fact
from analyzer.facts.cni import LeaseCursorFact, LeaseFact
from analyzer.parsers import Parser
from analyzer.source import Gap, Source, Span


def read(source: Source) -> Iterator[Fact | Gap]:
    """The lease, or the cursor, of one file; nothing for the lock."""
    network, _, name = source.path.rpartition("var/lib/cni/networks/")[2].rpartition("/")
    lines = [line.strip() for line in source.text.split("\n")]
    at = Span(source.path, 1)
    if name == "lock":
        return
    if name.startswith("last_reserved_ip."):
        yield LeaseCursorFact(at=at, scope=source.scope, network=network, address=address(lines[0]))
        return
    yield LeaseFact(
        at=at,
        scope=source.scope,
        network=network,
        address=address(name.replace("_", ":")),
        container=lines[0],
        interface=lines[1] if len(lines) > 1 else "",
    )


PARSER = Parser(kind="host-local", read=read, names=(r"(.*/)?var/lib/cni/networks/(?P<subject>[^/]+)/[^/]+",))
