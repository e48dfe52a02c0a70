"""``ip neigh show`` text and JSON, ``arp`` in its forms, and ``/proc/net/arp``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.addresses import address, hardware_address
from analyzer.facts.base import Fact
from analyzer.facts.neighbours import NeighbourFact
from analyzer.parsers import UNREADABLE, Parser, by_known_line, reason, remembered
from analyzer.parsers._words import is_json, json_items, refuse_errors, refuse_keys, refuse_others, word_at
from analyzer.source import Gap, Source, Span

STATES = frozenset({"PERMANENT", "NOARP", "REACHABLE", "STALE", "DELAY", "PROBE", "FAILED", "INCOMPLETE", "NONE"})
VALUES = frozenset({"dev", "lladdr", "nud", "vlan", "vni", "protocol", "proto", "used", "ref", "probes", "refcnt"})
FLAGS = STATES | {"router", "proxy", "extern_learn", "offload", "managed", "extern_valid"}
KEYS = frozenset(
    {
        "dst",
        "dev",
        "lladdr",
        "state",
        "router",
        "proxy",
        "extern_learn",
        "offload",
        "managed",
        "extern_valid",
        "nud",
        "vlan",
        "vni",
        "protocol",
    }
    | {"used", "confirmed", "updated", "probes", "refcnt", "ref"}
)
PROBES = re.compile(r"(\d)probes\b")
"""``used 0/0/0probes 1``: iproute2 sets no blank there (ip/ipneigh.c, print_cacheinfo)."""
LENGTHS = (5, 7, 15, 19)
"""Colons in the addresses of Ethernet, FireWire, IPv6 tunnels and InfiniBand."""
BSD = re.compile(r"^\S+ \(([^)]+)\) at (\S+)(?: \[\w+\])?\s*((?:PERM|PUP|netmask \S+|published|permanent)\s*)*on (\S+)")


def read(source: Source) -> Iterator[Fact | Gap]:
    """Entries by line or item."""
    if not is_json(source.text):
        yield from by_known_line(source, known)
        return
    for item, at in json_items(source):
        try:
            yield entry_from(source, item, at)
        except UNREADABLE as problem:
            yield Gap(at, reason(problem), source.kind, source.scope)


@remembered
def known(line: str, subject: str) -> tuple[Fact, ...]:
    """What a line says, remembered."""
    return tuple(entry_of(Source("", line, subject=subject), line, Span("", 1)))


def entry_of(source: Source, line: str, at: Span) -> Iterator[Fact]:
    """``10.0.0.2 dev eth0 lladdr aa:bb:… router extern_learn proxy PERMANENT``, or a line of ``arp``."""
    refuse_errors(line)
    if found := BSD.match(line):
        yield bsd_entry(source, line, at, found)
        return
    words = PROBES.sub(r"\1 probes", line).split()
    if words[0] == "Address" or words[:2] == ["IP", "address"] or words[0].startswith("Entries:"):
        return
    if len(words) == 6 and words[1].startswith("0x"):
        yield kernel_entry(source, line, at, words)
        return
    if len(words) >= 3 and "dev" not in words and words[1] in ("ether", "(incomplete)", "loopback"):
        yield table_entry(source, line, at, words)
        return
    values = {key: words[i + 1] for i, key in enumerate(words[:-1]) if key in VALUES}
    mac = values.get("lladdr")
    states = STATES.intersection(words)
    if "dev" not in values and not mac and not states:
        raise ValueError(f"expected a neighbour such as '10.0.0.2 dev eth0 lladdr …', not {line.strip()[:60]!r}")
    refuse_others(words[1:], VALUES, FLAGS)
    if not states and "proxy" not in words:
        raise ValueError("the neighbour has no state")
    refuse_hardware(mac)
    yield NeighbourFact(
        at=word_at(at, line, mac) if mac else at,
        scope=source.scope,
        address=address(words[0]),
        device=values.get("dev") or source.subject or None,
        mac=hardware_address(mac) if mac and mac.count(":") == 5 else None,
        states=states,
        proxy="proxy" in words,
        external="extern_learn" in words,
    )


def refuse_hardware(text: str | None) -> None:
    """ValueError for what is no hardware address: that of a tunnel is one of IP (iproute2 lib/ll_addr.c)."""
    if text and ":" in text and text.count(":") not in LENGTHS:
        raise ValueError(f"{text!r} is no hardware address")
    if text and ":" not in text:
        address(text)


def bsd_entry(source: Source, line: str, at: Span, found: re.Match[str]) -> NeighbourFact:
    """``? (10.0.0.2) at aa:bb:… [ether] PERM on eth0`` of ``arp -an``."""
    host, mac, flags, device = found.groups()
    complete = mac != "<incomplete>"
    state = "INCOMPLETE" if not complete else "PERMANENT" if "PERM" in (flags or "") else "STALE"
    return NeighbourFact(
        at=word_at(at, line, mac),
        scope=source.scope,
        address=address(host),
        device=device,
        mac=hardware_address(mac) if complete and ":" in mac else None,
        states=frozenset({state}),
        proxy="PUP" in (flags or "") or "published" in (flags or ""),
    )


def kernel_entry(source: Source, line: str, at: Span, words: list[str]) -> NeighbourFact:
    """``10.0.0.2  0x1  0x2  aa:bb:…  *  eth0`` of ``/proc/net/arp``: of the flags 0x2 is a complete entry, 0x4 a permanent one, 0x8 one that is published
    (include/uapi/linux/if_arp.h)."""
    flags = int(words[2], 16)
    state = "PERMANENT" if flags & 4 else "STALE" if flags & 2 else "INCOMPLETE"
    return NeighbourFact(
        at=word_at(at, line, words[3]),
        scope=source.scope,
        address=address(words[0]),
        device=words[5],
        mac=hardware_address(words[3]) if flags & 2 else None,
        states=frozenset({state}),
        proxy=bool(flags & 8),
    )


def table_entry(source: Source, line: str, at: Span, words: list[str]) -> NeighbourFact:
    """``10.0.0.2  ether  aa:bb:…  CM  eth0`` of ``arp -n``; the flag M is a permanent entry, P one that is published."""
    complete = words[1] != "(incomplete)"
    flags = words[3] if complete and len(words) > 4 else ""
    return NeighbourFact(
        at=word_at(at, line, words[2]) if complete else at,
        scope=source.scope,
        address=address(words[0]),
        device=words[-1],
        mac=hardware_address(words[2]) if complete else None,
        states=frozenset({"INCOMPLETE" if not complete else "PERMANENT" if "M" in flags else "STALE"}),
        proxy="P" in flags,
    )


def entry_from(source: Source, item: Mapping[str, Any], at: Span) -> NeighbourFact:
    """One entry of JSON."""
    refuse_keys(item, KEYS)
    mac = item.get("lladdr")
    refuse_hardware(mac)
    return NeighbourFact(
        at=at,
        scope=source.scope,
        address=address(item["dst"]),
        device=item.get("dev"),
        mac=hardware_address(mac) if mac and mac.count(":") == 5 else None,
        states=frozenset(item.get("state") or ()),
        proxy=item.get("proxy", 0) is None or bool(item.get("proxy")),
        external=item.get("extern_learn", 0) is None or bool(item.get("extern_learn")),
    )


PARSER = Parser(
    kind="ip-neigh",
    read=read,
    names=(
        r"ip_(-\S+_)*(n|ne|nei|neig|neigh|neighbor|neighbour)(_(show|list|ls|s))?(_(nud|proxy)(_\S+)?)?(\.json)?",
        r"ip_(-\S+_)*(n|ne|nei|neig|neigh|neighbor|neighbour)(_(show|list|ls|s))?(_nud_\w+)?_dev_(?P<subject>[^_\s]+?)(_nud_\w+)?(\.json)?",
        r"arp(_-\S+)*",
        r"(ip--[46]-n|neigh|ip(v6)?neighbour|ip-neigh|ipv[46]_neigh|ip_-6_neigh_proxy|ip_neigh_proxy)(\.json)?",
    ),
    content=re.compile(
        r"^[0-9a-f.:]+ dev \S+ (lladdr|(FAILED|INCOMPLETE|NOARP))|^\? \([0-9.]+\) at |^(Address\s+HWtype|IP address\s+HW type)|^\s*\[\s*\{\s*\"dst\":\s*\"[^\"]+\",\s*\"dev\":\s*\"[^\"]+\",\s*\"lladdr\"",
        re.MULTILINE,
    ),
)
