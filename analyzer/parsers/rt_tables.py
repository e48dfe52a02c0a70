"""``/etc/iproute2/rt_tables``: the numbers of named routing tables."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.facts.routes import TableNameFact
from analyzer.parsers import Parser, by_line
from analyzer.source import Gap, Source, Span


def read(source: Source) -> Iterator[Fact | Gap]:
    """Names by line; what stands behind ``#`` is a comment."""
    return by_line(source, lambda line, at: name(source, line, at))


def name(source: Source, line: str, at: Span) -> Iterator[Fact]:
    """``254 main``."""
    words = line.partition("#")[0].split()
    if words:
        yield TableNameFact(at=at, scope=source.scope, number=int(words[0], 0), name=words[1])


PARSER = Parser(kind="rt-tables", read=read, names=(r"rt_tables(\S*)?",), content=re.compile(r"^255\s+local$", re.MULTILINE))
