"""``cilium-dbg bpf policy get`` for one endpoint or ``--all``, with labels or ``--numeric``, and its JSON: the policy maps of endpoints.

After cilium-dbg/cmd/bpf_policy_get.go and pkg/maps/policymap/policymap.go (``PortProtoString``, ``PolicyKey``, ``PolicyEntry``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from analyzer.facts.base import Fact
from analyzer.facts.cilium import RESERVED, PolicyEntry, PolicyMapFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._cilium import COLUMNS, ENDING, PROGRAM, failure, listed, numbered, protocol
from analyzer.parsers._words import is_json
from analyzer.source import Gap, Source, Span

# Older listings of all maps name each by its path alone (listAllMaps).
OWNER = re.compile(r"(?:Endpoint ID: |/\S*/cilium_policy_(?:v\d+_)?0*)(\d+)")
PORTS = re.compile(r"((?P<low>\d+)(-(?P<high>\d+)|/(?P<length>\d+))?/)?(?P<protocol>[A-Za-z]\w*|\d+)")
HEXADECIMAL = re.compile(r"0x(?P<port>[0-9a-f]+)/(?P<length>\d+)/(?P<protocol>\w+)")
HEADING = re.compile(r"(POLICY\s+)?DIRECTION\s")
PASSED = re.compile(r"Path: |Policy stats empty|no maps found|$")
STATIC_BITS, PROTOCOL_BITS, PORT_BITS = 40, 8, 16
NAMES = {f"reserved:{name}": number for number, name in RESERVED.items()}
LABELLED = {**{number: name for name, number in NAMES.items()}, 0: "ANY"}
API_SERVER_NODE = frozenset({"reserved:kube-apiserver", "reserved:remote-node"})
COLUMN = re.compile(r"[A-Z][A-Z /]*( \(source:key\[=value\]\))?")
UNPROXIED = ("NONE", "0", "")


@dataclass(slots=True)
class Draft:
    """A policy map while its lines are read; ``columns`` names what stands where."""

    endpoint: int
    at: Span
    columns: Sequence[str] = ()
    entries: list[PolicyEntry] = field(default_factory=list)
    lost: list[Span] = field(default_factory=list)


def read(source: Source) -> Iterator[Fact | Gap]:
    """Policy maps in the order of the text."""
    if is_json(source.text):
        yield from of_json(source)
        return
    draft: Draft | None = None
    for number, raw in enumerate(source.text.split("\n"), 1):
        line, at = raw.rstrip(), Span(source.path, number)
        if owner := OWNER.match(line):
            if draft is not None:
                yield finished(source, draft)
            draft = Draft(int(owner[1]), at)
            continue
        if PASSED.match(line):
            continue
        try:
            draft = heading(source, draft, line, at) if HEADING.match(line) else entered(draft, line, at)
        except UNREADABLE as problem:
            if draft is not None:
                draft.lost.append(at)
            yield gap(source, number, reason(problem))
    if draft is not None:
        yield finished(source, draft)


def finished(source: Source, draft: Draft) -> PolicyMapFact:
    """The fact of one map."""
    return PolicyMapFact(
        at=draft.at, scope=source.scope, endpoint=draft.endpoint, entries=tuple(draft.entries), lost=tuple(draft.lost)
    )


def heading(source: Source, draft: Draft | None, line: str, at: Span) -> Draft:
    """The line that names the columns. A listing of one endpoint is named for it."""
    if draft is None:
        if not source.subject.isdecimal():
            raise ValueError("whose policy map this is, is not said: the file is to be named for the endpoint, or use --all")
        draft = Draft(int(source.subject[:9]), at)
    columns = [name.strip() for name in COLUMNS.split(line.strip())]
    draft.columns = columns if all(map(COLUMN.fullmatch, columns)) else ()
    if not draft.columns:
        raise ValueError(f"expected the heading of a policy map, not {line.strip()[:60]!r}")
    return draft


def entered(draft: Draft | None, line: str, at: Span) -> Draft:
    """One line of a map: an entry, or another label of the one before it. Listings before 1.9 have no denials, and no column for them."""
    if problem := failure(line):
        raise ValueError(problem)
    if draft is None or not draft.columns:
        raise ValueError(f"expected the heading of a policy map, not {line.strip()[:60]!r}")
    if line.startswith(" "):
        if not draft.entries:
            raise ValueError("a label of no entry")
        last = draft.entries[-1]
        draft.entries[-1] = with_label(last, line.strip())
        return draft
    values = COLUMNS.split(line.strip())
    if len(values) > len(draft.columns):
        raise ValueError(f"expected {len(draft.columns)} columns, not {len(values)}")
    draft.entries.append(entry(dict(zip(draft.columns, values, strict=False)), at))
    return draft


def with_label(last: PolicyEntry, label: str) -> PolicyEntry:
    """The entry with one more label: identities of several labels are told by all of them. A node with an API server has ``reserved:host`` and
    ``reserved:kube-apiserver``, which is the host all the same; other nodes with one are told by ``reserved:remote-node`` beside it
    (pkg/identity/reserved.go, ``LookupReservedIdentityByLabels``)."""
    first = () if last.identity not in LABELLED else (LABELLED[last.identity],)
    labels = (*(last.labels or first), label)
    return PolicyEntry(
        last.deny,
        last.ingress,
        told_by(frozenset(labels)),
        last.protocol,
        last.low,
        last.high,
        last.proxy,
        last.authenticated,
        labels,
        at=last.at,
    )


def told_by(labels: frozenset[str]) -> int | None:
    """The reserved identity of several labels. The host keeps its own whatever labels it gets."""
    if "reserved:host" in labels:
        return NAMES["reserved:host"]
    return NAMES["reserved:kube-apiserver"] if labels == API_SERVER_NODE else None


def entry(found: Mapping[str, str], at: Span) -> PolicyEntry:
    """The entry of a line, by the names of the columns."""
    verdict, direction = found.get("POLICY", "Allow"), found["DIRECTION"]
    if verdict not in ("Allow", "Deny") or direction not in ("Ingress", "Egress"):
        raise ValueError(f"expected Allow or Deny and Ingress or Egress, not {verdict[:20]!r} and {direction[:20]!r}")
    label = found.get("LABELS (source:key[=value])", "")
    number = found.get("IDENTITY", "")
    identity = numbered(number) if number else named(label)
    kind, low, high = ports(found["PORT/PROTO"], found.get("PREFIX", ""))
    return PolicyEntry(
        deny=verdict == "Deny",
        ingress=direction == "Ingress",
        identity=identity,
        protocol=kind,
        low=low,
        high=high,
        proxy=0 if found.get("PROXY PORT", "") in UNPROXIED else numbered(found["PROXY PORT"], 65535),
        authenticated=found.get("AUTH TYPE", "disabled") not in ("disabled", "", "0"),
        labels=(label,) if label and identity is None else (),
        at=at,
    )


def named(label: str) -> int | None:
    """The identity of a label, where it is a number, ANY or a reserved one."""
    if label.isdecimal():
        return numbered(label)
    return 0 if label == "ANY" else NAMES.get(label)


def ports(text: str, prefix: str) -> tuple[int, int, int]:
    """A protocol and its ports: ``ANY``, ``TCP``, ``80/TCP``, ``8080-8087/TCP``; before 1.16 a range stood in the prefix' length only."""
    if found := HEXADECIMAL.fullmatch(text):
        return of_prefix(protocol(found["protocol"]), int(found["port"], 16), int(found["length"]))
    found = PORTS.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is not a port and protocol")
    kind = protocol(found["protocol"])
    if found["low"] is None or (kind == 0 and found["low"] == "0"):
        return kind, 0, 65535
    low = numbered(found["low"], 65535)
    if found["high"]:
        return kind, low, numbered(found["high"], 65535)
    length = int(prefix) - PROTOCOL_BITS if prefix.isdecimal() and len(prefix) < 4 else PORT_BITS
    if low == 0 and not prefix:
        return kind, 0, 65535
    return of_prefix(kind, low, length if 0 <= length <= PORT_BITS else PORT_BITS)


def of_prefix(kind: int, port: int, length: int) -> tuple[int, int, int]:
    """The ports that begin with so many bits of one."""
    rest = (1 << (PORT_BITS - length)) - 1
    return kind, port & ~rest, port | rest


def of_json(source: Source) -> Iterator[Fact | Gap]:
    """``[{"EndpointID": "1478", "Path": …, "Content": [{"Key": {…}, …}]}]``, or the content alone. Numbers of ports are in network byte order."""
    items = listed(json.loads(source.text))
    if items and "Key" in items[0]:
        if not source.subject.isdecimal():
            raise ValueError("whose policy map this is, is not said: the file is to be named for the endpoint, or use --all")
        items = [{"EndpointID": source.subject, "Content": items}]
    for item in items:
        name = json.dumps(str(item["EndpointID"]))
        line = source.text.count("\n", 0, max(source.text.find(name), 0)) + 1
        at = Span(source.path, line)
        draft = Draft(numbered(str(item["EndpointID"])), at)
        for content in listed(item.get("Content")):
            try:
                draft.entries.append(json_entry(content, at))
            except UNREADABLE as problem:
                draft.lost.append(at)
                yield gap(source, line, reason(problem))
        yield finished(source, draft)


def json_entry(content: Mapping[str, Any], at: Span) -> PolicyEntry:
    """One entry of a map's JSON."""
    key = content["Key"]
    value = content.get("PolicyEntry", content)
    length = int(key.get("Prefixlen", STATIC_BITS + PROTOCOL_BITS + PORT_BITS)) - STATIC_BITS
    port = swapped(int(key.get("DestPortNetwork", key.get("DestPort", 0))))
    kind = int(key.get("Nexthdr", 0)) if length >= PROTOCOL_BITS else 0
    _, low, high = of_prefix(kind, port, min(max(length - PROTOCOL_BITS, 0), PORT_BITS))
    return PolicyEntry(
        deny=bool(int(value.get("Flags", 0)) & 1),
        ingress=int(key["TrafficDirection"]) == 0,
        identity=int(key["Identity"]),
        protocol=kind,
        low=low,
        high=high,
        proxy=swapped(int(value.get("ProxyPortNetwork", value.get("ProxyPort", 0)))),
        authenticated=bool(int(value.get("AuthRequirement", value.get("AuthType", 0))) & 127),
        at=at,
    )


def swapped(value: int) -> int:
    """A port in network byte order, as machines of the other order print it."""
    return (value & 255) << 8 | value >> 8 & 255


PARSER = Parser(
    kind="cilium-policy",
    read=read,
    names=(
        PROGRAM + r"bpf[-_]policy[-_](get|list|ls)[-_]+all" + ENDING,
        PROGRAM + r"bpf[-_]policy[-_](get|list|ls)[-_](?P<subject>\d+)" + ENDING,
    ),
    content=re.compile(r"^(POLICY\s+)?DIRECTION\s+(IDENTITY|LABELS)\b", re.MULTILINE),
)
