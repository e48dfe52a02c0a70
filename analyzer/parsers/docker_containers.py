"""``docker ps --format json`` (or ``'{{json .}}'``): containers, one JSON object a line (docker/cli cli/command/formatter/container.go)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from analyzer.addresses import Address, address
from analyzer.facts.base import Fact
from analyzer.facts.docker import DockerContainerFact, PublishedPort
from analyzer.parsers import Parser, by_line
from analyzer.parsers._words import refuse_errors
from analyzer.source import Gap, Source, Span

PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
PORT = re.compile(
    r"(?:\[?(?P<host>[0-9a-fA-F.:]+?)\]?:(?P<port>\d+)(?:-(?P<last>\d+))?->)?(?P<target>\d+)(?:-(?P<end>\d+))?/(?P<protocol>\w+)"
)
EVERY = frozenset({"0.0.0.0", "::"})
WIDEST = 4096


def read(source: Source) -> Iterator[Fact | Gap]:
    """Containers by line."""
    return by_line(source, lambda line, at: container(source, line, at))


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
    names=(r"(docker|podman)_ps\S*json\S*", r"docker_(container_)?(ps|ls)(\.json)"),
    content=re.compile(r"\A\s*\{\"Command\":\"[^\n]*\"Networks\":\"[^\n]*\"Ports\":\""),
)
