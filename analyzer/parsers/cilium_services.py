"""``cilium-dbg service list``, in text and JSON: the services as the agent knows them (cilium-dbg/cmd/service_list.go, api/v1/models/service_spec.go)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from analyzer.addresses import Address, address
from analyzer.facts.base import Fact
from analyzer.facts.cilium import AgentServiceFact, Backend, FrontendFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._cilium import ENDING, PROGRAM, ends, failure, listed, numbered, protocol
from analyzer.parsers._words import Places, is_json
from analyzer.source import Gap, Source, Span

HEADING = re.compile(r"ID\s+Frontend\s+Service Type\s+Backend")
FRONTEND = r"(?P<host>\[[^\]]+\]|[\d.]+):(?P<port>\d+)(/(?P<protocol>\w+))?(?P<inside>/i)?"
LINE = re.compile(rf"(?P<id>\d+)\s+{FRONTEND}\s+(?P<type>\w+)(\s+(?P<backend>\d+ => .*))?")
BACKEND = re.compile(
    r"\d+ => (?P<host>\[[^\]]+\]|[\d.]+):(?P<port>\d+)(/(?P<protocol>\w+))?(/i)?( \((?P<state>[^)]*)\))?( \(\d+\))?"
)


@dataclass(slots=True)
class Draft:
    """A service while its lines are read."""

    at: Span
    address: Address
    port: int
    protocol: int
    internal: bool
    flags: frozenset[str]
    backends: list[Backend] = field(default_factory=list)

    def fact(self, source: Source) -> AgentServiceFact:
        """The fact of it."""
        return AgentServiceFact(
            at=self.at,
            scope=source.scope,
            frontend=FrontendFact(
                at=self.at,
                scope=source.scope,
                address=self.address,
                port=self.port,
                protocol=self.protocol,
                internal=self.internal,
                flags=self.flags,
                backends=tuple(self.backends),
            ),
        )


def read(source: Source) -> Iterator[Fact | Gap]:
    """Services in the order of the text."""
    if is_json(source.text):
        yield from of_json(source)
        return
    drafts: list[Draft] = []
    for number, raw in enumerate(source.text.split("\n"), 1):
        line, at = raw.rstrip(), Span(source.path, number)
        if not line or HEADING.match(line):
            continue
        try:
            taken(drafts, line.strip(), at)
        except UNREADABLE as problem:
            yield gap(source, number, failure(line) or reason(problem))
    yield from (draft.fact(source) for draft in drafts)


def taken(drafts: list[Draft], line: str, at: Span) -> None:
    """One line: a service, perhaps with its first backend, or another backend of the one before it."""
    found = LINE.fullmatch(line)
    if found is not None:
        host, port = ends(f"{found['host']}:{found['port']}")
        drafts.append(
            Draft(at, host, port, protocol(found["protocol"] or "ANY"), bool(found["inside"]), frozenset({found["type"]}))
        )
    text = found["backend"] if found is not None else line
    if text is None:
        return
    one = BACKEND.fullmatch(text.strip())
    if one is None:
        raise ValueError(f"expected a service or a backend, not {line[:60]!r}")
    if one["state"] in (None, "active"):
        host, port = ends(f"{one['host']}:{one['port']}")
        drafts[-1].backends.append(Backend(host, port, protocol(one["protocol"] or "ANY"), at=at))


def of_json(source: Source) -> Iterator[Fact | Gap]:
    """The models of the API."""
    places, position = Places(source), 0
    for item in listed(json.loads(source.text)):
        found = re.compile(r'"frontend-address"').search(source.text, position)
        position = found.end() if found else position
        at = places.span(found.start() if found else position, position)
        try:
            yield of_model(part(item, "spec"), at).fact(source)
        except UNREADABLE as problem:
            yield gap(source, at.line, reason(problem))


def of_model(spec: Mapping[str, Any], at: Span) -> Draft:
    """One service of the API."""
    front = part(spec, "frontend-address")
    flags = frozenset({str(part(spec, "flags").get("type") or "ClusterIP")})
    kind = protocol(str(front.get("protocol") or "ANY"))
    draft = Draft(at, address(str(front["ip"])), number(front), kind, front.get("scope") == "internal", flags)
    for one in listed(spec.get("backend-addresses")):
        if str(one.get("state") or "active") == "active":
            kind = protocol(str(one.get("protocol") or "ANY"))
            draft.backends.append(Backend(address(str(one["ip"])), number(one), kind, at=at))
    return draft


def number(value: Mapping[str, Any]) -> int:
    """The port of an address."""
    return numbered(str(value.get("port") or 0), 65535)


def part(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object inside another."""
    found = value.get(key)
    return found if isinstance(found, dict) else {}


PARSER = Parser(
    kind="cilium-services",
    read=read,
    names=(PROGRAM + r"service[-_](list|ls)" + ENDING,),
    content=re.compile(r"^ID\s+Frontend\s+Service Type\s+Backend", re.MULTILINE),
)
