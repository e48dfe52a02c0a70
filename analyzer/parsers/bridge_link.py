"""``bridge link show``, text with ``-d``, on one line with ``-o``, and JSON (iproute2 bridge/link.c)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.facts.base import Fact
from analyzer.facts.neighbours import BridgePortFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._link_flags import OPERATIONAL
from analyzer.parsers._link_kinds import after, on, port_state
from analyzer.parsers._link_words import BRIDGE_PORT, Words, refuse
from analyzer.parsers._words import is_json, json_items, refuse_errors
from analyzer.source import Gap, Source, Span

HEAD = re.compile(r"^(\d+): ([^\s:@]+)(?:@\S+?)?:? ")


PORT = Words(
    {**BRIDGE_PORT.values, **dict.fromkeys(("mtu", "master", "hwmode", "learning_sync"), 1)},
    starts=("<", ":", "@"),
)
"""What iproute2's bridge/link.c prints of a port; old versions have a colon on its own."""


def read(source: Source) -> Iterator[Fact | Gap]:
    """Ports by block or item."""
    if is_json(source.text):
        for item, at in json_items(source):
            try:
                yield port_from(source, item, at)
            except UNREADABLE as problem:
                yield Gap(at, reason(problem), source.kind, source.scope, device=str(item.get("ifname", "")))
        return
    yield from read_text(source)


def read_text(source: Source) -> Iterator[Fact | Gap]:
    """The text form: a head line, then options on indented lines."""
    blocks: list[tuple[int, str, list[str]]] = []
    for number, raw in enumerate(source.text.split("\n"), 1):
        line = raw.rstrip("\r").replace("\\", " ")
        if not line.strip():
            continue
        found = HEAD.match(line)
        if found:
            blocks.append((number, found.group(2), line.split()))
        elif line[0] in " \t" and blocks:
            blocks[-1][2].extend(line.split())
        else:
            try:
                refuse_errors(line)
                yield gap(source, number, f"expected a bridge port, not {line[:60]!r}")
            except ValueError as problem:
                yield gap(source, number, reason(problem))
    for number, name, words in blocks:
        try:
            refuse("a bridge port", PORT, options(name, words))
            yield port_of(source, number, name, words)
        except UNREADABLE as problem:
            yield gap(source, number, f"{name}: {reason(problem)}", name)


def options(name: str, words: list[str]) -> list[str]:
    """The words behind the name; with ``-s`` the name of the device, whose statistics follow, is the last."""
    behind = words[2:]
    return behind[:-1] if behind[-1:] == [name] and behind[-2:-1] != ["master"] else behind


def port_of(source: Source, number: int, name: str, words: list[str]) -> BridgePortFact:
    """One port."""
    return BridgePortFact(
        at=Span(source.path, number),
        scope=source.scope,
        device=name,
        master=after(words, "master"),
        state=port_state(after(words, "state") if after(words, "state") not in OPERATIONAL else last_state(words)),
        hairpin=on(words, "hairpin"),
        learning=on(words, "learning"),
        flood=on(words, "flood"),
        multicast_flood=on(words, "mcast_flood"),
        broadcast_flood=on(words, "bcast_flood"),
        isolated=on(words, "isolated"),
        locked=on(words, "locked"),
        proxy_arp=on(words, "proxy_arp"),
        neighbour_suppression=on(words, "neigh_suppress"),
        vlan_tunnel=on(words, "vlan_tunnel"),
    )


def last_state(words: list[str]) -> str | None:
    """The port's state where the interface's stands before it."""
    states = [words[i + 1] for i, word in enumerate(words[:-1]) if word == "state"]
    return states[-1] if len(states) > 1 else None


def port_from(source: Source, item: Mapping[str, Any], at: Span) -> BridgePortFact:
    """One port of JSON."""
    return BridgePortFact(
        at=at,
        scope=source.scope,
        device=item["ifname"],
        master=item.get("master"),
        state=item.get("state"),
        hairpin=item.get("hairpin"),
        learning=item.get("learning"),
        flood=item.get("flood"),
        multicast_flood=item.get("mcast_flood"),
        broadcast_flood=item.get("bcast_flood"),
        isolated=item.get("isolated"),
        locked=item.get("locked"),
        proxy_arp=item.get("proxy_arp"),
        neighbour_suppression=item.get("neigh_suppress"),
        vlan_tunnel=item.get("vlan_tunnel"),
    )


PARSER = Parser(
    kind="bridge-link",
    read=read,
    names=(r"bridge_(-\S+_)*(l|link)(_(show|list))?(\.json)?", r"bridge-link(\.json)?"),
    content=re.compile(
        r"^\d+: \S+ (state UP )?.*master \S+ state (forwarding|disabled|blocking|learning|listening) priority", re.MULTILINE
    ),
)
