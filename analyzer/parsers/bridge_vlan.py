"""``bridge vlan show``, text in its old and new layouts, and JSON (iproute2 bridge/vlan.c)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.facts.base import Fact
from analyzer.facts.neighbours import BridgeVlanFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._words import is_json, json_items, refuse_errors
from analyzer.source import Gap, Source, Span

ENTRY = re.compile(r"^(\d+)(?:-(\d+))?((?:\s+(?:PVID|Egress Untagged|untagged|pvid))*)\s*$")
OPTIONS = re.compile(r"^(state|mcast_|neigh_|priority|multicast)")


def read(source: Source) -> Iterator[Fact | Gap]:
    """VLANs of ports, in order."""
    if is_json(source.text):
        for item, at in json_items(source):
            try:
                yield from list(vlans_from(source, item, at))
            except UNREADABLE as problem:
                yield Gap(at, reason(problem), source.kind, source.scope, device=str(item.get("ifname", "")))
        return
    device = ""
    for number, raw in enumerate(source.text.split("\n"), 1):
        line = raw.rstrip("\r ")
        if not line.strip() or line.split()[0] == "port":
            continue
        try:
            refuse_errors(line)
            if line[0] not in " \t":
                device, _, line = line.partition("\t") if "\t" in line else line.partition(" ")
            text = line.strip()
            if text and text != "None" and not OPTIONS.match(text):
                yield vlan_of(source, number, device.strip(), text)
        except UNREADABLE as problem:
            yield gap(source, number, reason(problem), device.strip())


def vlan_of(source: Source, number: int, device: str, text: str) -> BridgeVlanFact:
    """``100-110 PVID Egress Untagged``."""
    found = ENTRY.match(text)
    if not found or not device:
        raise ValueError(f"expected a VLAN such as '1 PVID Egress Untagged', not {text!r}")
    first, last, flags = int(found.group(1)), int(found.group(2) or found.group(1)), found.group(3).lower()
    return BridgeVlanFact(
        at=Span(source.path, number),
        scope=source.scope,
        device=device,
        first=first,
        last=last,
        pvid="pvid" in flags,
        untagged="untagged" in flags,
    )


def vlans_from(source: Source, item: Mapping[str, Any], at: Span) -> Iterator[BridgeVlanFact]:
    """The VLANs of one item."""
    for entry in item.get("vlans") or ():
        flags = {str(flag).lower() for flag in entry.get("flags") or ()}
        yield BridgeVlanFact(
            at=at,
            scope=source.scope,
            device=item["ifname"],
            first=int(entry["vlan"]),
            last=int(entry.get("vlanEnd", entry["vlan"])),
            pvid="pvid" in flags,
            untagged="egress untagged" in flags or "untagged" in flags,
        )


PARSER = Parser(
    kind="bridge-vlan",
    read=read,
    names=(r"bridge_(-\S+_)*(v|vlan)(_(show|list))?(\.json)?", r"bridge-vlan(\.json)?"),
    content=re.compile(r"^port\s+vlan(-| )ids?\b", re.MULTILINE),
)
