"""``wg show``: WireGuard devices, their peers with endpoints and allowed addresses. Keys that are secret are never read.

``wg show wg0 dump`` has the interface in the first line (private key, public key, port, mark) and a peer in each further one (public key, preshared key, endpoint,
allowed addresses, handshake, bytes twice, keepalive), between tabs; ``wg show wg0 endpoints`` and others have one column of that. Of ``all`` interfaces each line
begins with the interface's name (wg(8)).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.addresses import address, prefix
from analyzer.facts.base import Fact
from analyzer.facts.links import WireguardFact, WireguardPeerFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._words import refuse_errors
from analyzer.source import Gap, Source, Span

INTERFACE, PEER = 5, 9
"""How many fields the lines of ``wg show all dump`` have."""
OF_DEVICES = ("public-key", "listen-port", "fwmark")
OF_PEERS = ("endpoints", "allowed-ips")
OTHERS = ("peers", "latest-handshakes", "transfer", "persistent-keepalive")
COLUMNS = re.compile(rf"(?P<device>\S+?)_(?P<column>{'|'.join((*OF_DEVICES, *OF_PEERS, *OTHERS))})")
KNOWN = ("private key", "preshared key", "latest handshake", "transfer", "persistent keepalive")
DEVICE = {"public key": "public-key", "listening port": "listen-port", "fwmark": "fwmark"}


def read(source: Source) -> Iterator[Fact | Gap]:
    """Devices and peers in order."""
    if column := COLUMNS.fullmatch(source.subject):
        yield from read_column(source, column["device"], column["column"])
        return
    device = source.subject
    peer: tuple[int, str] | None = None
    values: dict[str, str] = {}
    for number, raw in enumerate(source.text.split("\n"), 1):
        if "\t" in raw.strip() and (fields := dumped(raw.strip(), device)) is not None:
            yield from of_dump(source, number, fields)
            continue
        key, _, value = raw.strip().partition(": ")
        if key == "interface" or key == "peer":
            yield from finished(source, device, peer, values)
            peer, values = ((number, value) if key == "peer" else None), {}
            device = value if key == "interface" else device
        elif key in ("endpoint", "allowed ips"):
            values[key] = value
        elif key in DEVICE:
            yield from of_device(source, number, device, DEVICE[key], value)
        elif raw.strip() and key not in KNOWN:
            yield from stranger(source, number, raw)
    yield from finished(source, device, peer, values)


def stranger(source: Source, number: int, raw: str) -> Iterator[Gap]:
    """A line that is none of ``wg show``."""
    try:
        refuse_errors(raw)
        yield gap(source, number, f"expected a line of wg show, not {raw.strip()[:60]!r}")
    except ValueError as problem:
        yield gap(source, number, reason(problem))


def dumped(line: str, subject: str) -> list[str] | None:
    """The fields of a line of ``dump`` with the interface's name first; None for another line."""
    fields = line.split("\t")
    single = subject.removesuffix("_dump")
    if single != "all" and single and len(fields) in (INTERFACE - 1, PEER - 1):
        fields = [single, *fields]
    return fields if len(fields) in (INTERFACE, PEER) else None


def of_dump(source: Source, number: int, fields: list[str]) -> Iterator[Fact | Gap]:
    """A line of ``dump``: a peer, or the device."""
    if len(fields) == PEER:
        yield from finished(source, fields[0], (number, fields[1]), {"endpoint": fields[3], "allowed ips": fields[4]})
        return
    for column, value in zip(OF_DEVICES, fields[2:], strict=True):
        yield from of_device(source, number, fields[0], column, value)


def read_column(source: Source, given: str, column: str) -> Iterator[Fact | Gap]:
    """``wg show all endpoints`` and the like."""
    for number, raw in enumerate(source.text.split("\n"), 1):
        fields = raw.strip().split("\t")
        device, *values = fields if given == "all" else [given, *fields]
        if not raw.strip() or column in OTHERS:
            continue
        if column in OF_DEVICES and len(values) == 1:
            yield from of_device(source, number, device, column, values[0])
        elif column in OF_PEERS and len(values) == 2:
            name = "endpoint" if column == "endpoints" else "allowed ips"
            yield from finished(source, device, (number, values[0]), {name: values[1].replace(" ", ",")})
        else:
            yield from stranger(source, number, raw)


def of_device(source: Source, number: int, device: str, column: str, value: str) -> Iterator[Fact | Gap]:
    """What is said of a device itself."""
    at = Span(source.path, number)
    try:
        match column:
            case "public-key":
                yield WireguardFact(at=at, scope=source.scope, device=device, public_key=None if value == "(none)" else value)
            case "listen-port":
                yield WireguardFact(at=at, scope=source.scope, device=device, port=int(value))
            case _:
                mark = 0 if value == "off" else int(value, 0)
                yield WireguardFact(at=at, scope=source.scope, device=device, mark=mark)
    except UNREADABLE as problem:
        yield gap(source, number, reason(problem))


def finished(source: Source, device: str, peer: tuple[int, str] | None, values: dict[str, str]) -> Iterator[Fact | Gap]:
    """The fact of one peer: of ``wg show`` itself, which leaves out what a peer does not have, or of a column."""
    if peer is None:
        return
    whole = COLUMNS.fullmatch(source.subject) is None
    try:
        host, _, port = values.get("endpoint", "").replace("(none)", "").rpartition(":")
        allowed = values.get("allowed ips", "" if whole else None)
        yield WireguardPeerFact(
            at=Span(source.path, peer[0]),
            scope=source.scope,
            device=device,
            public_key=peer[1],
            endpoint=address(host.strip("[]")) if host else None,
            port=int(port) if host else None,
            allowed=None if allowed is None else prefixes(allowed),
            located=whole or "endpoint" in values,
        )
    except UNREADABLE as problem:
        yield gap(source, peer[0], reason(problem))


def prefixes(text: str) -> tuple[str, ...]:
    """The networks of a list, none for ``(none)``; ValueError where one is none."""
    found = tuple(part.strip() for part in text.split(",") if part.strip() and part.strip() != "(none)")
    for one in found:
        prefix(one)
    return found


PARSER = Parser(
    kind="wg", read=read, names=(r"wg(_show)?(_(?P<subject>\S+))?",), content=re.compile(r"^interface: \S+$", re.MULTILINE)
)
