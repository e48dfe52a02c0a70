"""``wg show``: WireGuard peers with their endpoints and allowed addresses. Keys that are secret are never read.

``wg show wg0 dump`` has the interface in the first line (private key, public key, port, mark) and a peer in each further one (public key, preshared key, endpoint,
allowed addresses, handshake, bytes twice, keepalive), between tabs; of ``all`` interfaces each line begins with the interface's name (wg(8)).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.addresses import address
from analyzer.facts.base import Fact
from analyzer.facts.links import WireguardPeerFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._words import refuse_errors
from analyzer.source import Gap, Source, Span

INTERFACE, PEER = 5, 9
"""How many fields the lines of ``wg show all dump`` have."""
KNOWN = (
    "public key",
    "private key",
    "listening port",
    "fwmark",
    "preshared key",
    "latest handshake",
    "transfer",
    "persistent keepalive",
)


def read(source: Source) -> Iterator[Fact | Gap]:
    """Peers in order."""
    device = source.subject
    peer: tuple[int, str] | None = None
    values: dict[str, str] = {}
    for number, raw in enumerate(source.text.split("\n"), 1):
        if "\t" in raw.strip() and (fields := dumped(raw.strip(), device)) is not None:
            if len(fields) == PEER:
                yield from finished(source, fields[0], (number, fields[1]), {"endpoint": fields[3], "allowed ips": fields[4]})
            continue
        key, _, value = raw.strip().partition(": ")
        if key == "interface" or key == "peer":
            yield from finished(source, device, peer, values)
            peer, values = ((number, value) if key == "peer" else None), {}
            device = value if key == "interface" else device
        elif key in ("endpoint", "allowed ips"):
            values[key] = value
        elif raw.strip() and key not in KNOWN:
            try:
                refuse_errors(raw)
                yield gap(source, number, f"expected a line of wg show, not {raw.strip()[:60]!r}")
            except ValueError as problem:
                yield gap(source, number, str(problem))
    yield from finished(source, device, peer, values)


def dumped(line: str, subject: str) -> list[str] | None:
    """The fields of a line of ``dump`` with the interface's name first; None for another line."""
    fields = line.split("\t")
    single = subject.removesuffix("_dump")
    if single != "all" and single and len(fields) in (INTERFACE - 1, PEER - 1):
        fields = [single, *fields]
    return fields if len(fields) in (INTERFACE, PEER) else None


def finished(source: Source, device: str, peer: tuple[int, str] | None, values: dict[str, str]) -> Iterator[Fact | Gap]:
    """The fact of one peer."""
    if peer is None:
        return
    try:
        host, _, port = values.get("endpoint", "").replace("(none)", "").rpartition(":")
        allowed = values.get("allowed ips", "")
        yield WireguardPeerFact(
            at=Span(source.path, peer[0]),
            scope=source.scope,
            device=device,
            public_key=peer[1],
            endpoint=address(host.strip("[]")) if host else None,
            port=int(port) if host else None,
            allowed=tuple(part.strip() for part in allowed.split(",") if part.strip() and part.strip() != "(none)"),
        )
    except UNREADABLE as problem:
        yield gap(source, peer[0], reason(problem))


PARSER = Parser(
    kind="wg", read=read, names=(r"wg(_show)?(_(?P<subject>\S+))?",), content=re.compile(r"^interface: \S+$", re.MULTILINE)
)
