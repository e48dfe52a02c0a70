"""``docker network inspect``: networks as Docker has recorded them (api/types/network ``Inspect``; the bridge's name: libnetwork/drivers/bridge, ``br-`` and twelve digits of the identifier, or the option)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.addresses import address, hardware_address, prefix
from analyzer.facts.base import Fact
from analyzer.facts.docker import DockerEndpoint, DockerNetworkFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._columns import Finder
from analyzer.source import Gap, Source, Span

BRIDGE_NAME, BY_DEFAULT = "com.docker.network.bridge.name", "com.docker.network.bridge.default_bridge"


def read(source: Source) -> Iterator[Fact | Gap]:
    """Networks in the order of the text; one that is not understood is a gap."""
    finder = Finder(source)
    for item in json.loads(source.text):
        at = finder.span('"Name"')
        try:
            ends = tuple(endpoint(finder, one) for one in (item.get("Containers") or {}).values())
            yield network(source, item, at, ends)
        except UNREADABLE as problem:
            yield gap(source, at.line, reason(problem))


def network(source: Source, item: Mapping[str, Any], at: Span, ends: tuple[DockerEndpoint, ...]) -> DockerNetworkFact:
    """One network."""
    options = item.get("Options") or {}
    device = "docker0" if str(options.get(BY_DEFAULT)) == "true" else f"br-{item['Id'][:12]}"
    configs = (item.get("IPAM") or {}).get("Config") or []
    return DockerNetworkFact(
        at=at,
        scope=source.scope,
        name=str(item["Name"]),
        identifier=str(item["Id"]),
        driver=str(item["Driver"]),
        subnets=tuple((prefix(one["Subnet"]), gateway(one)) for one in configs if one.get("Subnet")),
        device=str(options.get(BRIDGE_NAME) or device) if item["Driver"] == "bridge" else "",
        internal=bool(item.get("Internal")),
        endpoints=ends,
    )


def gateway(config: Mapping[str, Any]) -> Any:
    """The gateway of a subnet; Docker 18 writes it with the length of the prefix now and then."""
    text = str(config.get("Gateway") or "").partition("/")[0]
    return address(text) if text else None


def endpoint(finder: Finder, item: Mapping[str, Any]) -> DockerEndpoint:
    """A container in a network."""
    at = finder.span('"Name"')
    texts = [str(item.get(key) or "").partition("/")[0] for key in ("IPv4Address", "IPv6Address")]
    mac = str(item.get("MacAddress") or "")
    return DockerEndpoint(
        str(item.get("Name") or ""), hardware_address(mac) if mac else None, tuple(address(one) for one in texts if one), at=at
    )


PARSER = Parser(
    kind="docker-networks",
    read=read,
    names=(r"docker_network_inspect\S*",),
    content=re.compile(
        r"\A\s*\[\s*\{\s*\"Name\"\s*:\s*\"[^\"]*\"\s*,\s*\"Id\"\s*:\s*\"[0-9a-f]{12,64}\"[^{}]{0,400}\"Driver\"\s*:"
    ),
)
