"""``docker ps --format json`` (or ``'{{json .}}'``): containers, one JSON object a line (docker/cli cli/command/formatter/container.go); and ``docker inspect``, an array of them
(moby/moby api/types/container ``InspectResponse``, ``NetworkSettings``; podman and nerdctl print the same fields)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.addresses import Address, address
from analyzer.facts.base import Fact
from analyzer.facts.docker import DockerContainerFact, PublishedPort
from analyzer.parsers import UNREADABLE, Parser, by_line, gap, reason
from analyzer.parsers._columns import Finder
from analyzer.parsers._words import refuse_errors
from analyzer.source import Gap, Source, Span

PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
PORT = re.compile(
    r"(?:\[?(?P<host>[0-9a-fA-F.:]+?)\]?:(?P<port>\d+)(?:-(?P<last>\d+))?->)?(?P<target>\d+)(?:-(?P<end>\d+))?/(?P<protocol>\w+)"
)
EVERY = frozenset({"0.0.0.0", "::"})
WIDEST = 4096


def read(source: Source) -> Iterator[Fact | Gap]:
    """Containers by line, or in the order of the array."""
    if source.text.lstrip().startswith("["):
        return inspected(source)
    return by_line(source, lambda line, at: container(source, line, at))


def inspected(source: Source) -> Iterator[Fact | Gap]:
    """The containers of ``docker inspect``; one that is not understood is a gap."""
    finder = Finder(source)
    for item in json.loads(source.text):
        at = finder.span('"Id"')
        try:
            yield inspected_one(source, item, at)
        except UNREADABLE as problem:
            yield gap(source, at.line, reason(problem))


def inspected_one(source: Source, item: Mapping[str, Any], at: Span) -> DockerContainerFact:
    """One container. Bindings are null of a port that is exposed and not published."""
    settings = item.get("NetworkSettings") or {}
    networks: Mapping[str, Mapping[str, Any]] = settings.get("Networks") or {}
    texts = [str(one.get(key) or "") for one in networks.values() for key in ("IPAddress", "GlobalIPv6Address")]
    bound = [(name, one) for name, many in (settings.get("Ports") or {}).items() for one in many or ()]
    return DockerContainerFact(
        at=at,
        scope=source.scope,
        identifier=str(item["Id"]),
        name=str(item.get("Name") or item["Id"][:12]).lstrip("/"),
        networks=tuple(networks),
        published=tuple(binding(name, one) for name, one in bound),
        running=bool((item.get("State") or {}).get("Running", True)),
        addresses=tuple(address(text) for text in texts if text),
    )


def binding(name: str, item: Mapping[str, Any]) -> PublishedPort:
    """``"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]``."""
    target, _, protocol = name.partition("/")
    own = str(item.get("HostIp") or "")
    return PublishedPort(
        int(item["HostPort"]), int(target), PROTOCOLS[protocol or "tcp"], None if own in ("", *EVERY) else address(own)
    )


def container(source: Source, line: str, at: Span) -> Iterator[Fact]:
    """``{"ID":"…","Names":"web","Networks":"bridge","Ports":"0.0.0.0:8080->80/tcp","State":"running"}``."""
    if not line.strip():
        return
    refuse_errors(line)
    item = json.loads(line)
    yield DockerContainerFact(
        at=at,
        scope=source.scope,
        identifier=str(item["ID"]),
        name=str(item["Names"]).partition(",")[0],
        networks=tuple(name for name in str(item.get("Networks") or "").split(",") if name),
        published=tuple(
            one for text in str(item.get("Ports") or "").split(",") if text.strip() for one in published(text.strip())
        ),
        running=str(item.get("State") or "running") == "running",
    )


def published(text: str) -> Iterator[PublishedPort]:
    """``0.0.0.0:8080-8081->80-81/tcp``; a port that is exposed and not published gives none. ValueError for what is neither."""
    found = PORT.fullmatch(text)
    if found is None or found["protocol"] not in PROTOCOLS:
        raise ValueError(f"expected a port as docker ps prints it, as '0.0.0.0:8080->80/tcp', not {text[:40]!r}")
    if found["host"] is None:
        return
    first, target = int(found["port"]), int(found["target"])
    many = int(found["last"] or first) - first
    if not 0 <= many < WIDEST or (found["last"] and int(found["end"] or target) - target not in (many, 0)):
        raise ValueError(f"the ports {text[:40]!r} are no range")
    own: Address | None = None if found["host"] in EVERY else address(found["host"])
    for number in range(many + 1):
        yield PublishedPort(first + number, target + (number if found["end"] else 0), PROTOCOLS[found["protocol"]], own)


PARSER = Parser(
    kind="docker-containers",
    read=read,
    names=(
        r"(docker|podman)_ps\S*json\S*",
        r"docker_(container_)?(ps|ls)(\.json)",
        r"(docker|podman|nerdctl)_(container_)?inspect(_[^-]\S*)?",
    ),
    content=re.compile(r"\A\s*\{\"Command\":\"[^\n]*\"Networks\":\"[^\n]*\"Ports\":\""),
)
