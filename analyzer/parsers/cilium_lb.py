"""``cilium-dbg bpf lb list``: frontends with their backends, as every version prints them.

After cilium-dbg/cmd/bpf_lb_list.go (``dumpSVC``), pkg/maps/lbmap/{ipv4,ipv6,types}.go and pkg/loadbalancer (``ServiceFlags.String``). Until 1.12 all slots of a frontend stand
below one key; since then the slot stands in the key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from analyzer.addresses import Address
from analyzer.facts.base import Fact
from analyzer.facts.cilium import Backend, FrontendFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._cilium import PROGRAM, Row, ends, protocol, rows
from analyzer.source import Gap, Source, Span

HEADING = re.compile(r"SERVICE ADDRESS\s+BACKEND ADDRESS")
KEY = re.compile(
    r"(?P<host>\[[^\]]+\]|[\d.]+):(?P<port>\d+)(/(?P<protocol>[A-Za-z]\w+))?(?P<inside>/i)?( \((?P<slot>\d+)\))?( \S+)?"
)
SLOT = re.compile(
    r"(?P<host>\[[^\]]*\]|[\d.]+):(?P<port>\d+)(/(?P<protocol>\w+))? \((?P<reverse>\d+)\)( \((?P<slot>\d+)\))?( \[(?P<flags>[^\]]*)\])?(?P<rest>.*)"
)
PROXY = re.compile(r"\(L7LB Proxy Port: (\d+)\)")
LOST = re.compile(r"backend (\d+) not found")


class Name(NamedTuple):
    """What no two frontends have in common."""

    address: Address
    port: int
    protocol: int
    internal: bool


@dataclass(slots=True)
class Draft:
    """A frontend while its lines are read."""

    at: Span
    reverse: int = 0
    flags: frozenset[str] = frozenset()
    proxy: int = 0
    backends: list[tuple[int, Backend]] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)


def read(source: Source) -> Iterator[Fact | Gap]:
    """Frontends in the order of the text."""
    drafts: dict[Name, Draft] = {}
    for row in rows(source, HEADING):
        if isinstance(row, Gap):
            yield row
            continue
        try:
            slot(drafts, row)
        except UNREADABLE as problem:
            yield gap(source, row.at.line, reason(problem))
    yield from (finished(source, name, draft) for name, draft in drafts.items())


def finished(source: Source, name: Name, draft: Draft) -> FrontendFact:
    """The fact of a frontend with all its slots, in their order."""
    return FrontendFact(
        at=draft.at,
        scope=source.scope,
        address=name.address,
        port=name.port,
        protocol=name.protocol,
        internal=name.internal,
        reverse=draft.reverse,
        flags=draft.flags,
        proxy=draft.proxy,
        backends=tuple(backend for _, backend in sorted(draft.backends, key=lambda pair: pair[0])),
        lost=tuple(draft.lost),
    )


def slot(drafts: dict[Name, Draft], row: Row) -> None:
    """One slot of a frontend: number 0 has the flags, the others a backend each."""
    key = KEY.fullmatch(row.key)
    if key is None:
        raise ValueError(f"{row.key[:60]!r} is not the address and port of a frontend")
    host, port = ends(f"{key['host']}:{key['port']}")
    draft = drafts.setdefault(Name(host, port, protocol(key["protocol"] or "ANY"), bool(key["inside"])), Draft(row.at))
    if missing := LOST.fullmatch(row.value):
        draft.lost.append(int(missing[1]))
        return
    found = SLOT.fullmatch(row.value)
    if found is None:
        raise ValueError(f"{row.value[:60]!r} is not a backend with the numbers of its translation and slot")
    draft.reverse = int(found["reverse"])
    place = int(found["slot"] or key["slot"] or "0") if found["slot"] or key["slot"] or found["flags"] is not None else 1
    if place == 0:
        draft.at, draft.flags = row.at, words(found["flags"] or "")
        taken = PROXY.search(found["rest"])
        draft.proxy = int(taken[1]) if taken else 0
        return
    there, number = ends(f"{found['host']}:{found['port']}")
    draft.backends.append((place, Backend(there, number, protocol(found["protocol"] or "ANY"), at=row.at)))


def words(text: str) -> frozenset[str]:
    """``ClusterIP, non-routable`` one by one."""
    return frozenset(word.strip() for word in text.split(",") if word.strip())


PARSER = Parser(
    kind="cilium-lb",
    read=read,
    names=(PROGRAM + r"bpf[-_]lb[-_](list|ls)([-_]+(o|output)[-_=]?json)?",),
    content=re.compile(r"^SERVICE ADDRESS\s+BACKEND ADDRESS", re.MULTILINE),
)
