"""``ovs-ofctl dump-groups BRIDGE`` (lib/ofp-group.c, ``ofputil_group_desc_format``)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.facts.openvswitch import Bucket, GroupFact
from analyzer.parsers import Parser, by_line
from analyzer.parsers._openflow_actions import actions_of, words_of
from analyzer.parsers._openflow_fields import number
from analyzer.parsers._words import refuse_errors
from analyzer.source import Gap, Source, Span

HEAD = re.compile(r"\s*group_id=(\w+),\s*type=(\w+)")
PASSED = re.compile(r"\s*(\w+_GROUP\w* reply.*|OFPST_GROUP.*|#.*|\.\.\.)\s*")
KINDS = {"all": "all", "select": "select", "indirect": "indirect", "ff": "fast_failover", "fast_failover": "fast_failover"}
TOLD = frozenset({"bucket_id", "weight", "watch_port", "watch_group", "command_bucket_id"})


def read(source: Source) -> Iterator[Fact | Gap]:
    """Groups by line; one whose buckets stand on lines of their own is put together."""
    text = re.sub(r",\s*\\?\n\s*(?=bucket=)", ",", source.text)
    if text == source.text:
        yield from by_line(source, lambda line, at: group_of(source, line, at))
        return
    joined = Source(source.path, text, source.kind, source.scope, source.subject)
    yield from by_line(joined, lambda line, at: group_of(source, line, at))


def group_of(source: Source, line: str, at: Span) -> Iterator[Fact]:
    """`` group_id=1,type=select,bucket=bucket_id:0,weight:100,actions=…``."""
    found = HEAD.match(line)
    if found is None:
        if PASSED.fullmatch(line):
            return
        refuse_errors(line)
        raise ValueError("a group was expected: group_id=1,type=select,bucket=…")
    parts = re.split(r",bucket=", line.strip())
    yield GroupFact(
        at=at,
        scope=source.scope,
        bridge=source.subject,
        number=number(found[1]),
        kind=KINDS[found[2]],
        buckets=tuple(bucket_of(part, found[2]) for part in parts[1:]),
    )


def bucket_of(text: str, kind: str) -> Bucket:
    """``bucket_id:0,weight:100,actions=output:1``, or ``output:1`` alone."""
    weight, watched = 1, ""
    actions: list[str] = []
    head, marked, rest = text.partition("actions=")
    for word in words_of(head if marked else text):
        name, _, value = word.partition(":")
        if name == "weight":
            weight = number(value)
        elif name in ("watch_port", "watch_group"):
            watched = value
        elif name not in TOLD:
            actions.append(word)
    del kind
    return Bucket(actions_of(rest if marked else ",".join(actions)), weight, watched)


PARSER = Parser(
    kind="ovs-groups",
    read=read,
    names=(
        r"ovs-ofctl(_-O_\S+?|_-\S+?)*_dump-groups_(?P<subject>[A-Za-z]\S*?)(_-O_?\w+|_--?[\w-]+)*",
        r"(ovs[/_])?(groups|ovs-groups)([-_](?P<subject>\S+))?",
    ),
    content=re.compile(r"^\s*group_id=\d+,type=", re.MULTILINE),
)
