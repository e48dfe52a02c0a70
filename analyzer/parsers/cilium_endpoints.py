"""``cilium-dbg endpoint list`` and ``endpoint get``, in text and JSON: the endpoints of a node as its agent knows them.

After cilium-dbg/cmd/endpoint_list.go and api/v1/models/endpoint.go. In the text an endpoint's further labels stand below it, in the column of the labels.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from analyzer.addresses import Address, address, hardware_address
from analyzer.facts.base import Fact
from analyzer.facts.cilium import EndpointFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._cilium import ENDING, PROGRAM, failure, listed, numbered
from analyzer.parsers._words import Places, is_json
from analyzer.source import Gap, Source, Span

COLUMNS = ("ENDPOINT", "POLICY (ingress)", "POLICY (egress)", "IDENTITY", "LABELS", "IPv6", "IPv4", "STATUS")
UNDER = re.compile(r"\s+ENFORCEMENT\s+ENFORCEMENT\s*$")
ENFORCED = {"Enabled": True, "Disabled": False, "Disabled (Audit)": False}


@dataclass(slots=True)
class Table:
    """Where the columns of the text begin, and the endpoint whose lines are read."""

    starts: Sequence[int]
    last: EndpointFact | None = None


def read(source: Source) -> Iterator[Fact | Gap]:
    """Endpoints in the order of the text."""
    if is_json(source.text):
        yield from of_json(source)
        return
    table = Table(())
    for number, raw in enumerate(source.text.split("\n"), 1):
        line = raw.rstrip()
        if not line or UNDER.match(line):
            continue
        try:
            if line.startswith("ENDPOINT "):
                table.starts = [line.index(name) for name in COLUMNS if name in line]
            elif (before := taken(source, table, line, Span(source.path, number))) is not None:
                yield before
        except UNREADABLE as problem:
            yield gap(source, number, failure(line) or reason(problem))
    if table.last is not None:
        yield table.last


def taken(source: Source, table: Table, line: str, at: Span) -> EndpointFact | None:
    """One line: the endpoint before it where another begins."""
    if len(table.starts) != len(COLUMNS):
        raise ValueError(f"expected the heading of endpoint list, not {line[:60]!r}")
    cells = cut(line, table.starts)
    if not cells[0]:
        if table.last is None or not cells[4]:
            raise ValueError(f"expected a label of an endpoint, not {line.strip()[:60]!r}")
        table.last = replace(table.last, labels=(*table.last.labels, cells[4]))
        return None
    before, table.last = table.last, endpoint(source, cells, at)
    return before


def cut(line: str, starts: Sequence[int]) -> list[str]:
    """The cells of a line. A text that is longer than its column moves those after it: cells are then told by the blanks between them."""
    ends = [*starts[1:], len(line) + 1]
    cells = [line[start:end].strip() for start, end in zip(starts, ends, strict=True)]
    clean = all(start == 0 or len(line) <= start or line[start - 1] == " " for start in starts)
    return cells if clean else moved(line)


def moved(line: str) -> list[str]:
    """The cells by the blanks between them: the addresses are told by their form."""
    words = re.split(r"\s{2,}", line.strip())
    if len(words) < 6:
        raise ValueError(f"expected {len(COLUMNS)} columns, not {line.strip()[:60]!r}")
    hosts = words[5:-1]
    six = next((word for word in hosts if ":" in word), "")
    four = next((word for word in hosts if "." in word), "")
    return [*words[:5], six, four, words[-1]]


def endpoint(source: Source, cells: Sequence[str], at: Span) -> EndpointFact:
    """The endpoint of a line."""
    identifier, ingress, egress, identity, label, six, four, state = cells
    return EndpointFact(
        at=at,
        scope=source.scope,
        identifier=numbered(identifier),
        identity=numbered(identity) if identity not in ("<no label id>", "") else 0,
        addresses=tuple(address(text) for text in (four, six) if text),
        labels=(label,) if label and label != "no labels" else (),
        state=state,
        ingress=ENFORCED.get(ingress),
        egress=ENFORCED.get(egress),
    )


def of_json(source: Source) -> Iterator[Fact | Gap]:
    """The models of the API, in a list or one alone."""
    document = json.loads(source.text)
    places = Places(source)
    position = 0
    for item in listed(document if isinstance(document, list) else [document]):
        found = re.compile(rf'"id"\s*:\s*{re.escape(str(item.get("id", -1)))}\b').search(source.text, position)
        position = found.start() if found else position
        at = places.span(position, found.end() if found else position + 1)
        try:
            yield of_model(source, item, at)
        except UNREADABLE as problem:
            yield gap(source, at.line, reason(problem))


def of_model(source: Source, item: Mapping[str, Any], at: Span) -> EndpointFact:
    """One endpoint of the API."""
    status = part(item, "status")
    names, network = part(status, "external-identifiers"), part(status, "networking")
    realized = part(part(status, "policy"), "realized")
    enforced = str(realized.get("policy-enabled", ""))
    identity = part(status, "identity")
    mac = str(network.get("mac") or "")
    pod, namespace = str(names.get("k8s-pod-name") or ""), str(names.get("k8s-namespace") or "")
    return EndpointFact(
        at=at,
        scope=source.scope,
        identifier=int(item["id"]),
        identity=int(identity.get("id", 0)),
        addresses=tuple(addresses_of(network)),
        labels=tuple(str(label) for label in identity.get("labels") or ()),
        state=str(status.get("state") or ""),
        ingress=enforced in ("ingress", "both") if enforced else None,
        egress=enforced in ("egress", "both") if enforced else None,
        pod=f"{namespace}/{pod}" if pod else str(names.get("pod-name") or ""),
        device=str(network.get("interface-name") or ""),
        index=int(network.get("interface-index") or 0),
        mac=hardware_address(mac) if mac else None,
        revision=int(realized["policy-revision"]) if "policy-revision" in realized else None,
    )


def addresses_of(network: Mapping[str, Any]) -> Iterator[Address]:
    """The addresses of an endpoint, IPv4 before IPv6."""
    for pair in listed(network.get("addressing")):
        yield from (address(str(pair[name])) for name in ("ipv4", "ipv6") if pair.get(name))


def part(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object inside another; an empty one where there is none."""
    found = value.get(key)
    return found if isinstance(found, dict) else {}


PARSER = Parser(
    kind="cilium-endpoints",
    read=read,
    names=(PROGRAM + r"endpoint[-_](list|ls|get)" + ENDING,),
    content=re.compile(r"^ENDPOINT\s+POLICY \(ingress\)", re.MULTILINE),
)
