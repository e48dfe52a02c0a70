"""Routes of clouds' networks, as their programs list them in JSON: which machine gets the packets to a network.

``aws ec2 describe-route-tables`` (EC2 API reference, Route), ``az network route-table list/show`` and ``route list`` (Azure REST API, RouteTable),
``gcloud compute routes list/describe`` (Compute API, routes). Routes that lead to gateways, and those of the network itself, are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.addresses import Address, address, prefix
from analyzer.facts.base import Fact
from analyzer.facts.clouds import CloudRouteFact
from analyzer.parsers import UNREADABLE, Parser, reason
from analyzer.parsers._json_documents import documents
from analyzer.source import Gap, Source, Span

Path = tuple[str | int, ...]
AWS, AZURE, GOOGLE = "aws", "azure", "google"
KEYS = {AWS: ("DestinationCidrBlock", "DestinationIpv6CidrBlock"), AZURE: ("addressPrefix",), GOOGLE: ("destRange",)}


def read(source: Source) -> Iterator[Fact | Gap]:
    """The routes to machines, in order."""
    for document in documents(source):
        if isinstance(document, Gap):
            yield document
            continue
        for path, item, table in routes(document.value, (), ""):
            at = next((document.places[(*path, key)] for keys in KEYS.values() for key in keys if key in item), None)
            try:
                found = route(source, item, table, at or document.places[path])
            except UNREADABLE as problem:
                yield Gap(at or document.places[path], f"no route: {reason(problem)}", source.kind, source.scope)
                continue
            if found is not None:
                yield found


def routes(value: object, path: Path, table: str) -> Iterator[tuple[Path, Mapping[str, Any], str]]:
    """The routes below a value, with their paths and the table that holds them."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from routes(item, (*path, index), table)
    elif isinstance(value, dict) and any(key in value for keys in KEYS.values() for key in keys):
        yield path, value, table or str(value.get("network", "")).rpartition("/")[2]
    elif isinstance(value, dict):
        name = str(value.get("RouteTableId") or value.get("name") or "")
        for key in ("RouteTables", "Routes", "routes"):
            yield from routes(value.get(key), (*path, key), name)


def route(source: Source, item: Mapping[str, Any], table: str, at: Span) -> CloudRouteFact | None:
    """One route; None where it leads to no machine. LookupError, ValueError or TypeError where it is none."""
    told = ((provider, item[key]) for provider, keys in KEYS.items() for key in keys if item.get(key))
    provider, text = next(told, ("", None))
    if text is None:
        raise ValueError("its destination is empty")
    via: Address | None = None
    machine = ""
    if provider == AWS:
        machine = str(item.get("InstanceId") or item.get("NetworkInterfaceId") or "")
    elif provider == AZURE:
        via = address(item["nextHopIpAddress"]) if item.get("nextHopIpAddress") else None
    else:
        via = address(item["nextHopIp"]) if item.get("nextHopIp") else None
        machine = str(item.get("nextHopInstance") or "").rpartition("/")[2]
    if via is None and not machine:
        return None
    active = item.get("State") != "blackhole"
    return CloudRouteFact(
        at=at,
        scope=source.scope,
        destination=prefix(text),
        provider=provider,
        table=table,
        via=via,
        machine=machine,
        active=active,
    )


PARSER = Parser(
    kind="cloud-routes",
    read=read,
    names=(
        r"aws_ec2_describe-route-tables(_-\S+)*(\.json)?",
        r"az_network_route-table_(route_)?(list|show)(_-\S+)*(\.json)?",
        r"gcloud_compute_routes_(list|describe)(_\S+)*(\.json)?",
    ),
    per="cluster",
)
