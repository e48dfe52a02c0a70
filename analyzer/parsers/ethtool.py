"""``ethtool -k``: the offload features of a device."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.facts.links import OffloadFact
from analyzer.parsers import Parser, by_line
from analyzer.parsers._words import refuse_errors
from analyzer.source import Gap, Source, Span

LINE = re.compile(r"^\s*([\w-]+): (on|off)\b")


def read(source: Source) -> Iterator[Fact | Gap]:
    """Features by line; the device stands in the file's name."""
    return by_line(source, lambda line, at: feature(source, line, at))


def feature(source: Source, line: str, at: Span) -> Iterator[Fact]:
    """``tx-checksum-ip-generic: on``."""
    refuse_errors(line)
    if line.startswith("Features for"):
        return
    found = LINE.match(line)
    if not found:
        raise ValueError(f"expected 'feature: on', not {line[:60]!r}")
    yield OffloadFact(at=at, scope=source.scope, device=source.subject, feature=found.group(1), enabled=found.group(2) == "on")


PARSER = Parser(
    kind="ethtool", read=read, names=(r"ethtool_-k_(?P<subject>\S+)",), content=re.compile(r"^Features for \S+:", re.MULTILINE)
)
