"""What the listings of ``cilium-dbg`` (``cilium`` before 1.15) have in common: two columns, or with ``-o json`` a map of lists of texts.

After cilium-dbg/cmd/helpers.go (``TablePrinter``) and pkg/command/output.go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from analyzer.addresses import Address, address
from analyzer.facts.base import Fact
from analyzer.parsers import UNREADABLE, gap, reason
from analyzer.parsers._words import Places, is_json, refuse_errors
from analyzer.source import Gap, Source, Span

PROGRAM = r"cilium(-dbg)?[-_]"
ENDING = r"([-_.](?!error)\S*)?"
ENTRIES = frozenset("0123456789[ ")
"""How the lines of a map begin, but for addresses of IPv6 and names."""
COLUMNS = re.compile(r"\s{2,}")
KEYED = re.compile(r"\s{2,}|\s(?=identity=|id=\d|\(localhost\))")
ERRORS = (
    re.compile(r"^(Error|Unable|Cannot|Failed|error |Fatal|level=(error|fatal))"),
    re.compile(r"Is the agent running\?|no such file or directory|connection refused|permission denied", re.IGNORECASE),
)
PROTOCOLS: Mapping[str, int] = {
    "ANY": 0,
    "NONE": 0,
    "ICMP": 1,
    "TCP": 6,
    "UDP": 17,
    "ICMPv6": 58,
    "SCTP": 132,
    "VRRP": 112,
    "IGMP": 2,
}


class Row(NamedTuple):
    """One entry of a map: what stands in the first column (also for the lines below it), and what stands in the second."""

    key: str
    value: str
    at: Span


def rows(source: Source, heading: re.Pattern[str]) -> Iterator[Row | Gap]:
    """The entries of a listing of a map, in text or JSON. What is neither is a gap at its line."""
    if is_json(source.text):
        yield from json_rows(source)
        return
    key = ""
    for number, raw in enumerate(source.text.split("\n"), 1):
        line = raw.rstrip()
        if not line.strip() or heading.match(line):
            continue
        if line[0] not in ENTRIES and (problem := failure(line)):
            yield gap(source, number, problem)
            continue
        first, *rest = KEYED.split(line, maxsplit=1)
        key = first or key
        yield Row(key, rest[0].strip() if rest else "", Span(source.path, number))


def failure(line: str) -> str:
    """What a command says that failed; empty for what is none of its errors."""
    try:
        refuse_errors(line)
    except ValueError as problem:
        return reason(problem)
    return f"the command failed: {line.strip()[:200]}" if any(one.search(line) for one in ERRORS) else ""


def json_rows(source: Source) -> Iterator[Row]:
    """``{"10.0.0.1/32": ["identity=1 …"]}``; each entry is at its key."""
    position = 0
    places = Places(source)
    for key, values in checked(json.loads(source.text)).items():
        begin = max(source.text.find(json.dumps(key), position), position)
        position = begin + 1
        at = places.span(begin, begin + len(key) + 2)
        for value in values if isinstance(values, list) else [values]:
            yield Row(key, str(value).strip(), at)


def checked(value: object) -> Mapping[str, Any]:
    """The object; ValueError for what is none."""
    if not isinstance(value, dict):
        raise ValueError("expected a JSON object of lists")
    return value


def read_rows(source: Source, heading: re.Pattern[str], fact_of: Callable[[Row], Fact | None]) -> Iterator[Fact | Gap]:
    """A fact for each entry; a gap for each that is not understood."""
    for row in rows(source, heading):
        if isinstance(row, Gap):
            yield row
            continue
        try:
            fact = fact_of(row)
        except UNREADABLE as problem:
            yield gap(source, row.at.line, reason(problem))
            continue
        if fact is not None:
            yield fact


def pairs(text: str) -> dict[str, str]:
    """``identity=1 encryptkey=0 tunnelendpoint=0.0.0.0`` by name. Values hold no blank, but for flags (``flags=hastunnel,skiptunnel``)."""
    found: dict[str, str] = {}
    last = ""
    for word in text.split():
        name, equals, value = word.partition("=")
        if equals and name in found:
            raise ValueError(f"{name} is said twice")
        if equals:
            found[name], last = value, name
        elif last:
            found[last] += f" {word}"
        else:
            raise ValueError(f"expected name=value, not {word!r}")
    return found


def ends(text: str) -> tuple[Address, int]:
    """``10.0.0.1:80`` and ``[fd00::1]:80``; without a port 0."""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return address(host), numbered(port.removeprefix(":") or "0", 65535)
    if text.count(":") > 1:
        return address(text), 0
    host, _, port = text.partition(":")
    return address(host), numbered(port or "0", 65535)


def protocol(text: str) -> int:
    """A protocol's number by its name (pkg/u8proto); ValueError for another."""
    found = PROTOCOLS.get(text, PROTOCOLS.get(text.upper()))
    if found is None:
        if not text.isdecimal() or int(text[:4]) > 255:
            raise ValueError(f"the protocol {text[:20]!r} is not known")
        return int(text)
    return found


def numbered(text: str, highest: int = (1 << 32) - 1) -> int:
    """A number from 0; ValueError for what is none or too high."""
    if not text.isdecimal() or len(text) > 10 or int(text) > highest:
        raise ValueError(f"{text[:20]!r} is not a number from 0 to {highest}")
    return int(text)


def listed(values: object) -> list[Mapping[str, Any]]:
    """The objects of a JSON list."""
    return [item for item in values if isinstance(item, dict)] if isinstance(values, list) else []
