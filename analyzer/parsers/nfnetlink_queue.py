"""``/proc/net/netfilter/nfnetlink_queue``: the queues of netfilter that programs listen on (net/netfilter/nfnetlink_queue.c ``seq_show``).

A namespace in which nobody listens has an empty one; a kernel without the module has none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.facts.system import QueueFact
from analyzer.parsers import Parser, by_line
from analyzer.parsers._words import refuse_errors
from analyzer.source import Gap, Source, Span

LAST = 65535
MODES = (0, 1, 2)
LINE = re.compile(r"\s*(\d+)\s+\d+\s+\d+\s+(\d+)(?:\s+\d+){4}\s+1\s*")


def read(source: Source) -> Iterator[Fact | Gap]:
    """Queues by line; ``#`` begins a comment."""
    return by_line(source, lambda line, at: queue(source, line, at))


def queue(source: Source, line: str, at: Span) -> Iterator[Fact]:
    """``  100   4711     0 2 65535     0     0        7  1``: the queue, who listens, how many packets wait, what of a packet is copied."""
    if line.startswith("#"):
        return
    refuse_errors(line)
    found = LINE.fullmatch(line)
    if found is None:
        raise ValueError(f"expected nine numbers about a queue, of which the last is 1, not {line.strip()[:60]!r}")
    number, mode = map(int, found.groups())
    if number > LAST or mode not in MODES:
        raise ValueError(f"queue {number} of mode {mode}: queues go to {LAST}, modes to {MODES[-1]}")
    yield QueueFact(at=at, scope=source.scope, number=number, mode=mode)


PARSER = Parser(
    kind="nfnetlink-queue",
    read=read,
    names=(r"(.*/)?proc/net/netfilter/nfnetlink_queue", r"(cat_)?_?(proc_net_netfilter_)?nfnetlink_queue"),
    content=re.compile(
        r"\A(?:[ \t]*\d{1,5}[ \t]+\d+[ \t]+\d+[ \t]+[012][ \t]+\d+[ \t]+\d+[ \t]+\d+[ \t]+\d+[ \t]+1[ \t]*\r?(?:\n|\Z))+\Z"
    ),
)
