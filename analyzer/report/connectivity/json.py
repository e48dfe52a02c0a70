"""The answer for programs; the shape is in ``schemas/connectivity.json``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from analyzer.policy.terms import ALL_PORTS
from analyzer.query.connectivity.allowed import NUMBERS, Allow, Allowed
from analyzer.query.connectivity.answer import Connectivity, Link, by_source
from analyzer.query.connectivity.endpoints import Party
from analyzer.query.connectivity.entrances import Entrance
from analyzer.query.connectivity.exposure import Exposure, Unknown
from analyzer.report.connectivity import Answer, ConnectivityFormat
from analyzer.report.style import Style

SEPARATOR = ",\n"
FIRST = ("endpoints", "pods")


def write(answer: Answer, style: Style) -> Iterator[str]:
    """The whole answer as JSON, an endpoint, a pair on a line."""
    del style
    found = answer.found
    yield f'{{\n"schema": "analyzer.connectivity/1",\n"profile": {json.dumps(answer.profile)},\n'
    yield from section("endpoints", (json.dumps(endpoint(party)) for party in found.parties))
    yield from section("connections", pairs(found, found.links, "allow"))
    yield from section("uncertain", pairs(found, found.uncertain, "may"))
    yield from section("through", (json.dumps(entrance(item)) for item in answer.entrances))
    if answer.exposure is not None:
        yield from exposed(answer.exposure)
    if answer.left_out:
        yield from section("left_out", map(json.dumps, answer.left_out))
    if answer.aside:
        yield f'{SEPARATOR}"aside": {json.dumps(answer.aside)}'
    yield "\n}\n"


def section(name: str, lines: Iterable[str]) -> Iterator[str]:
    """A list with a line for each item."""
    yield f'{"" if name in FIRST else SEPARATOR}"{name}": ['
    some = False
    for line in lines:
        yield f",\n {line}" if some else f"\n {line}"
        some = True
    yield "\n]" if some else "]"


def endpoint(party: Party) -> dict[str, Any]:
    """An endpoint; ``pods`` are those that are there, ``replicas`` also those that the workload would make."""
    return {"id": party.id, "namespace": party.namespace, "pods": list(party.pods), "replicas": party.replicas}


def pairs(found: Connectivity, links: tuple[Link, ...], key: str) -> Iterator[str]:
    """A line for each pair, in order; what lines have in common is written out once."""
    tails = {id(link): tail(link, key) for link in links}
    names = {name: json.dumps(name) for link in links for name in link.destinations}
    for source, own in by_source(links):
        told = sorted((other, tails[id(link)]) for link in own for other in link.destinations)
        start, alone = f'{{"from": {json.dumps(source)}, "to": ', source if source in found.singles else ""
        yield from (f"{start}{names[other]}, {rest}}}" for other, rest in told if other != alone)


def tail(link: Link, key: str) -> str:
    """What of a pair is the same for all of its link."""
    rest: dict[str, Any] = {key: allowed(link.allow)}
    if link.family is not None:
        rest["family"] = link.family
    if link.why:
        rest["reason"] = link.why
    return json.dumps(rest)[1:-1]


def allowed(allow: Allow) -> list[dict[str, str]]:
    """What is allowed, by protocol."""
    return [protocol(item) for item in allow]


def protocol(item: Allowed) -> dict[str, str]:
    """One protocol: with ports, ICMP with types where not all are meant, others by number."""
    found = {"protocol": item.protocol}
    if item.protocol in NUMBERS:
        found["ports"] = item.ports_text()
    elif item.ports != ALL_PORTS:
        found["types" if item.protocol == "ICMP" else "ports"] = item.ports_text()
    if item.numbers:
        found["numbers"] = item.numbers_text()
    return found | ({"source_ports": item.sources_text().removeprefix("from ")} if item.sources != ALL_PORTS else {})


def entrance(item: Entrance) -> dict[str, Any]:
    """A way in."""
    found: dict[str, Any] = {
        "kind": item.kind,
        "name": item.name,
        "service": item.service,
        "port": item.port,
        "from": item.source,
        "to": item.destination,
        "requests": list(item.requests),
        "allow": allowed(item.allow),
        "admitted": item.admitted,
        "at": {"path": item.at.path, "line": item.at.line},
    }
    return found | ({"reason": item.why} if item.why else {})


def exposed(exposure: Exposure) -> Iterator[str]:
    """The pods that are not there, and the pairs that they are in."""
    unselected = {"ingress": list(exposure.open_ingress), "egress": list(exposure.open_egress)}
    yield ',\n"exposure": {\n'
    yield from section("pods", (json.dumps(stranger(item)) for item in exposure.unknowns))
    yield from section("connections", sorted(one for link in exposure.links for one in spelled(link, "allow")))
    yield from section("uncertain", sorted(one for link in exposure.uncertain for one in spelled(link, "may")))
    yield f',\n"unselected": {json.dumps(unselected)},\n"complete": {json.dumps(exposure.complete)}\n}}'


def stranger(item: Unknown) -> dict[str, Any]:
    """A pod that is not there; a new namespace has no name."""
    found: dict[str, Any] = {"id": item.id, "namespace": item.namespace or None, "labels": dict(item.labels)}
    return found if item.namespace else found | {"namespace_labels": dict(item.namespace_labels)}


def spelled(link: Link, key: str) -> Iterator[str]:
    """A line for each pair of a link."""
    rest = tail(link, key)
    for source in link.sources:
        yield from (f'{{"from": {json.dumps(source)}, "to": {json.dumps(other)}, {rest}}}' for other in link.destinations)


FORMAT = ConnectivityFormat("json", write)
