"""``cilium-dbg ip list``: whose addresses are whose, as the agent has it, which fills the ipcache of the kernel with it (cilium-dbg/cmd/ip_list.go)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.addresses import Address, address, prefix
from analyzer.facts.base import Fact
from analyzer.facts.cilium import RESERVED, AgentAddressFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._cilium import COLUMNS, ENDING, PROGRAM, failure, listed
from analyzer.parsers._words import Places, is_json
from analyzer.source import Gap, Source, Span

HEADING = re.compile(r"IP\s+IDENTITY\s+SOURCE")
NUMBERS: Mapping[str, int] = {f"reserved:{name}": number for number, name in RESERVED.items()}


def read(source: Source) -> Iterator[Fact | Gap]:
    """Entries in the order of the text."""
    if is_json(source.text):
        whole = Places(source).span(0, 1)
        for item in listed(json.loads(source.text)):
            yield of_model(source, item, whole)
        return
    lines = source.text.split("\n")
    for number, raw in enumerate(lines, 1):
        line, more = raw.rstrip(), number < len(lines) and lines[number][:1].isspace()
        if not line or line[0].isspace() or HEADING.match(line):
            continue
        if problem := failure(line):
            yield gap(source, number, problem)
            continue
        yield of_line(source, COLUMNS.split(line), more, Span(source.path, number))


def of_line(source: Source, words: list[str], more: bool, at: Span) -> Fact | Gap:
    """``10.244.1.5/32   k8s:app=web   custom-resource   192.168.0.11   0``: further labels stand on lines of their own, also beside a reserved one."""
    try:
        host = address(words[3]) if len(words) > 3 and words[3] not in ("", "<nil>") else None
        return made(source, words[0], None if more else identity_of(words[1]), host, at)
    except UNREADABLE as problem:
        return gap(source, at.line, reason(problem))


def of_model(source: Source, item: Mapping[str, Any], at: Span) -> Fact | Gap:
    """An entry of the JSON."""
    try:
        host = address(item["hostIP"]) if item.get("hostIP") else None
        return made(source, str(item["cidr"]), int(item["identity"]), host, at)
    except UNREADABLE as problem:
        return gap(source, at.line, reason(problem))


def made(source: Source, text: str, identity: int | None, host: Address | None, at: Span) -> AgentAddressFact:
    """The fact."""
    return AgentAddressFact(at=at, scope=source.scope, prefix=prefix(text.partition("@")[0]), identity=identity, host=host)


def identity_of(text: str) -> int | None:
    """A number, or the name of a reserved identity; None for a label."""
    return int(text) if text.isdecimal() and len(text) < 11 else NUMBERS.get(text)


PARSER = Parser(
    kind="cilium-addresses",
    read=read,
    names=(PROGRAM + r"ip[-_](list|ls)" + ENDING,),
    content=re.compile(
        r"^IP\s+IDENTITY\s+SOURCE(\s+HOST\s+ENCRYPT_KEY)?\s*$|\A\s{0,99}\[\s{0,99}\{\s{0,99}\"cidr\"\s{0,9}:[^}]{0,999}\"identity\"\s{0,9}:",
        re.MULTILINE,
    ),
)
