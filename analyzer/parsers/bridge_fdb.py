"""``bridge fdb show``, text and JSON (iproute2 bridge/fdb.c), and ``brctl showmacs``' neighbour ``bridge fdb``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.addresses import address, hardware_address
from analyzer.facts.base import Fact
from analyzer.facts.neighbours import ForwardingFact
from analyzer.parsers import UNREADABLE, Parser, by_known_line, reason, remembered
from analyzer.parsers._words import is_json, json_items, refuse_errors, refuse_keys, refuse_others, word_at
from analyzer.source import Gap, Source, Span

FLAGS = frozenset(
    {"permanent", "static", "stale", "extern_learn", "offload", "sticky", "router", "noarp", "added_by_user", "locked", "dynamic"}
)
SILENT = frozenset({"self", "managed", "extern_valid", "added_by_ext_learn", "activity_notify", "inactive"})
KEYS = frozenset(
    {
        "mac",
        "ifname",
        "dst",
        "port",
        "vlan",
        "vni",
        "src_vni",
        "via",
        "viaIf",
        "ifIndex",
        "master",
        "flags",
        "state",
        "nhid",
        "linkNetNsId",
        "used",
    }
    | {"updated", "activity_notify", "inactive"}
)
VALUES = frozenset({"dev", "dst", "vlan", "vni", "port", "via", "master", "nhid", "src_vni", "link-netnsid", "used", "updated"})


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
    """``aa:bb:… dev flannel.1 dst 192.168.0.2 self permanent``."""
    refuse_errors(line)
    words = line.split()
    values = {key: words[i + 1] for i, key in enumerate(words[:-1]) if key in VALUES}
    refuse_others(words[1:], VALUES, FLAGS | SILENT)
    if words[1:2] == ["dev"] and len(words) == 3:
        raise ValueError("the entry says nothing of its device")
    port = values.get("port", "")
    if "dev" not in values and source.subject:
        values["dev"] = source.subject
    yield ForwardingFact(
        at=word_at(at, line, words[0]),
        scope=source.scope,
        mac=hardware_address(words[0]),
        device=values["dev"],
        master=values.get("master"),
        own="self" in words,
        destination=address(values["dst"]) if "dst" in values else None,
        vlan=number(values.get("vlan")),
        vni=number(values.get("vni")),
        port=int(port) if port.isdecimal() else None,
        via=values.get("via"),
        next_hop_id=number(values.get("nhid")),
        flags=FLAGS.intersection(words),
    )


def number(text: str | None) -> int | None:
    """A number, None where there is none."""
    return None if text is None else int(text)


def entry_from(source: Source, item: Mapping[str, Any], at: Span) -> ForwardingFact:
    """One entry of JSON."""
    refuse_keys(item, KEYS)
    flags = set(item.get("flags") or ())
    state = item.get("state")
    port = item.get("port")
    return ForwardingFact(
        at=at,
        scope=source.scope,
        mac=hardware_address(item["mac"]),
        device=item["ifname"],
        master=item.get("master"),
        own="self" in flags,
        destination=address(item["dst"]) if "dst" in item else None,
        vlan=item.get("vlan"),
        vni=item.get("vni"),
        port=int(port) if port is not None else None,
        via=item.get("via") or item.get("viaIf"),
        next_hop_id=item.get("nhid"),
        flags=frozenset((flags | ({state} if state else set())) & FLAGS),
    )


PARSER = Parser(
    kind="bridge-fdb",
    read=read,
    names=(r"bridge_(-\S+_)*(f|fdb)(_(show|list))?(_(dev|br|brport)_(?P<subject>\S+?))?(\.json)?", r"(bridge-fdb|fdb)(\.json)?"),
    content=re.compile(r"^([0-9a-f]{2}:){5}[0-9a-f]{2} (dev|dst|vlan|master|self) ?|^\s*\[\s*\{\s*\"mac\"", re.MULTILINE),
)
