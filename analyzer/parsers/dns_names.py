"""Addresses of DNS names: what agents were told (``cilium-dbg fqdn cache list``, ``antctl get fqdncache``), and files such as ``/etc/hosts``.

Follows cilium-dbg/cmd/fqdn.go (columns Endpoint, Source, FQDN, TTL, ExpirationTime, IPs with commas; the fields ``fqdn`` and ``ips`` of api/v1 DNSLookup), Antrea's
pkg/agent/apis/types.go (FQDNCacheResponse: ``fqdnName``, ``ipAddress``) and hosts(5). Entries of several endpoints about one name are one statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.addresses import Address, address
from analyzer.facts.base import Fact
from analyzer.facts.clouds import NameFact
from analyzer.parsers import Parser, gap, reason
from analyzer.source import Gap, Source, Span

NAME = re.compile(r"[A-Za-z0-9_]([-A-Za-z0-9_]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([-A-Za-z0-9_]*[A-Za-z0-9_])?)*\.?")
LONGEST = 253
CILIUM = re.compile(r"\s*Endpoint\s+Source\s+FQDN\s+TTL\s+ExpirationTime\s+IPs\s*")
ANTREA = re.compile(r"\s*FQDN\s+ADDRESS\s+EXPIRATION[- ]TIME\s*")


def read(source: Source) -> Iterator[Fact | Gap]:
    """A fact for each name, at its first line."""
    found: dict[str, tuple[Span, dict[Address, None]]] = {}
    for item in objects(source) if source.text.lstrip()[:1] in ("[", "{") else lines(source):
        if isinstance(item, Gap):
            yield item
            continue
        at, name, own = item
        found.setdefault(name, (at, {}))[1].update(dict.fromkeys(own))
    for name, (at, known) in found.items():
        yield NameFact(at=at, name=name, addresses=tuple(known))


Entry = tuple[Span, str, tuple[Address, ...]]


def lines(source: Source) -> Iterator[Entry | Gap]:
    """A table, or a file of hosts: which of them, the heading says."""
    columns = "hosts"
    for number, line in enumerate(source.text.split("\n"), 1):
        text = line.strip()
        if CILIUM.fullmatch(line) or ANTREA.fullmatch(line):
            columns = "cilium" if CILIUM.fullmatch(line) else "antrea"
        elif text and not text.startswith(("#", "Defaulted container")):
            try:
                yield from entries(columns, text.partition("#")[0].split(), Span(source.path, number))
            except ValueError as problem:
                yield gap(source, number, reason(problem))


def entries(columns: str, words: list[str], at: Span) -> Iterator[Entry]:
    """What a line says. ValueError where it is none of its table."""
    match columns, words:
        case "cilium", [_, "lookup" | "connection", name, _, _, first, *others]:
            yield at, known_name(name), tuple(address(text) for text in ",".join((first, *others)).split(",") if text)
        case "antrea", [name, text, *_]:
            yield at, known_name(name), (address(text),)
        case "hosts", [text, first, *others]:
            for name in (first, *others):
                yield at, known_name(name), (address(text),)
        case _:
            wanted = {"cilium": "endpoint, source, name, TTL, time and addresses", "antrea": "name, address and time"}
            raise ValueError(f"expected {wanted.get(columns, 'an address and the names that have it')}")


def objects(source: Source) -> Iterator[Entry | Gap]:
    """The same as JSON."""
    from analyzer.parsers._json_documents import documents

    for document in documents(source):
        if isinstance(document, Gap):
            yield document
            continue
        items = document.value if isinstance(document.value, list) else [document.value]
        for index, item in enumerate(items):
            at = document.places.get((index,)) or document.places[()]
            try:
                yield at, *of_object(item)
            except ValueError as problem:
                yield Gap(at, reason(problem), source.kind, source.scope)


def of_object(item: object) -> tuple[str, tuple[Address, ...]]:
    """Name and addresses of an entry. ValueError where it is none."""
    if isinstance(item, dict):
        name, ips = item.get("fqdn", item.get("fqdnName")), item.get("ips", item.get("ipAddress"))
        texts = ips if isinstance(ips, list) else [ips]
        if isinstance(name, str) and all(isinstance(text, str) for text in texts):
            return known_name(name), tuple(address(text) for text in texts)
    raise ValueError(
        "expected an object with fqdn and ips, as in `cilium-dbg fqdn cache list -o json`, or fqdnName and ipAddress"
    )


def known_name(text: str) -> str:
    """A name as names are compared. ValueError where it is none."""
    if len(text) > LONGEST + 1 or not NAME.fullmatch(text):
        raise ValueError(f"{text[:60]!r} is no DNS name")
    return text.rstrip(".").lower()


PARSER = Parser(
    kind="dns-names",
    read=read,
    names=(r"cilium(-dbg)?_fqdn_cache_list(_-\S+)*", r"antctl_(\S+_)?get_fqdncache(_-\S+)*", r"(\S+\.)?dns-names", r"\S+\.hosts"),
    content=re.compile(
        r"^\s*Endpoint\s+Source\s+FQDN\s+TTL\s+ExpirationTime\s+IPs\s*$|^\s*FQDN\s+ADDRESS\s+EXPIRATION[- ]TIME\s*$", re.MULTILINE
    ),
    per="cluster",
)
