"""``resolv.conf`` as the C library reads it (resolv.conf(5), glibc resolv/res_init.c): the last search list counts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.addresses import Address, address
from analyzer.facts.base import Fact
from analyzer.facts.system import ResolverFact
from analyzer.parsers import Parser, gap, reason
from analyzer.source import Gap, Source, Span

KNOWN = ("sortlist", "lookup", "family")


def read(source: Source) -> Iterator[Fact | Gap]:
    """One fact for the file, and a gap for each line that is not understood."""
    servers: list[Address] = []
    search: list[str] = []
    options: list[str] = []
    first = 1
    for number, line in enumerate(source.text.split("\n"), 1):
        words = re.split(r"[#;]", line, maxsplit=1)[0].split() if line[:1] in ("#", ";") else line.split()
        if not words:
            continue
        try:
            match words[0]:
                case "nameserver":
                    first = number if not servers else first
                    servers.append(address(words[1]))
                case "search" | "domain":
                    search = words[1:]
                case "options":
                    options += words[1:]
                case other:
                    if other not in KNOWN:
                        yield gap(source, number, f"{other[:40]!r} is no keyword of resolv.conf")
        except (ValueError, IndexError) as problem:
            yield gap(source, number, f"no name server: {reason(problem)}")
    yield ResolverFact(
        at=Span(source.path, first), scope=source.scope, servers=tuple(servers), search=tuple(search), options=tuple(options)
    )


PARSER = Parser(
    kind="resolv-conf",
    read=read,
    names=(r"(.*/)?etc/resolv\.conf", r"resolv\.conf"),
    content=re.compile(r"^nameserver [0-9a-fA-F:.]+", re.MULTILINE),
)
