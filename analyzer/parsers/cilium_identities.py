"""``cilium-dbg identity list`` and ``identity get``, in text and JSON: identities with their labels (cilium-dbg/cmd/identity_list.go)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.facts.cilium import IdentityFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._cilium import ENDING, PROGRAM, failure, listed, numbered
from analyzer.parsers._words import Places, is_json
from analyzer.source import Gap, Source, Span

HEADING = re.compile(r"ID\s+LABELS")
LABEL = re.compile(r"[\w./-]+:\S.*")


def read(source: Source) -> Iterator[Fact | Gap]:
    """Identities in the order of the text; the further labels of one stand below it."""
    if is_json(source.text):
        yield from of_json(source)
        return
    drafts: list[tuple[Span, int, list[str]]] = []
    for number, raw in enumerate(source.text.split("\n"), 1):
        line = raw.rstrip()
        if not line or HEADING.match(line):
            continue
        try:
            words = line.split(None, 1)
            if not line.startswith(" "):
                drafts.append((Span(source.path, number), numbered(words[0]), []))
                words = words[1:]
            if words:
                drafts[-1][2].append(checked(line.strip() if line.startswith(" ") else words[0]))
        except UNREADABLE as problem:
            yield gap(source, number, failure(line) or reason(problem))
    for at, identity, labels in drafts:
        yield IdentityFact(at=at, scope=source.scope, identity=identity, labels=tuple(labels))


def checked(text: str) -> str:
    """A label with its source."""
    if not LABEL.fullmatch(text):
        raise ValueError(f"{text[:60]!r} is not a label with its source")
    return text


def of_json(source: Source) -> Iterator[Fact | Gap]:
    """``[{"id": 10002, "labels": ["k8s:app=web"]}]``."""
    document = json.loads(source.text)
    places, position = Places(source), 0
    for item in listed(document if isinstance(document, list) else [document]):
        found = re.compile(rf'"id"\s*:\s*{int(item["id"])}\b').search(source.text, position)
        position = found.start() if found else position
        at = places.span(position, found.end() if found else position + 1)
        labels = tuple(str(label) for label in item.get("labels") or ())
        yield IdentityFact(at=at, scope=source.scope, identity=int(item["id"]), labels=labels)


PARSER = Parser(
    kind="cilium-identities",
    read=read,
    names=(PROGRAM + r"identity[-_](list|ls|get)" + ENDING,),
    content=re.compile(r"^ID\s+LABELS \(source:key\[=value\]\)", re.MULTILINE),
)
