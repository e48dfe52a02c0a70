"""``tc qdisc show``, text (also on one line, ``-o``) and JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.facts.system import QdiscFact
from analyzer.parsers import Parser, by_line
from analyzer.parsers._words import is_json, json_items, refuse_errors
from analyzer.source import Gap, Source, Span


def read(source: Source) -> Iterator[Fact | Gap]:
    """Queueing disciplines by line or item."""
    if is_json(source.text):
        for item, at in json_items(source):
            parent = "root" if item.get("root") else str(item.get("parent", ""))
            yield QdiscFact(
                at=at,
                scope=source.scope,
                device=str(item["dev"]),
                kind=str(item["kind"]),
                handle=str(item.get("handle", "")),
                parent=parent,
            )
        return
    yield from by_line(source, lambda line, at: (fact for part in line.split("\\") for fact in qdisc(source, part, at)))


def qdisc(source: Source, line: str, at: Span) -> Iterator[Fact]:
    """``qdisc ingress ffff: dev eth0 parent ffff:fff1 ----------------``; statistics on indented lines are passed over."""
    if line[:1] in ("", " ", "\t") or line.startswith("#"):
        return
    refuse_errors(line)
    words = line.split()
    if words[0] != "qdisc":
        raise ValueError(f"expected 'qdisc …', not {line[:60]!r}")
    device = words[words.index("dev") + 1] if "dev" in words else source.subject
    parent = words[words.index("parent") + 1] if "parent" in words else "root" if "root" in words else ""
    yield QdiscFact(at=at, scope=source.scope, device=device, kind=words[1], handle=words[2], parent=parent)


PARSER = Parser(
    kind="tc-qdisc",
    read=read,
    names=(r"tc_(-\S+_)*qdiscs?(_show)?(_dev_(?P<subject>\S+?))?(\.json)?", r"tc-qdisc(-show|-list)?"),
    content=re.compile(r"^qdisc \S+ \S+ ", re.MULTILINE),
)
