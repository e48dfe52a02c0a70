"""The plugins that are installed: a listing of ``/opt/cni/bin`` by ``ls`` or ``ls -l``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.facts.cni import PluginFact
from analyzer.parsers import Parser, by_line
from analyzer.source import Gap, Source, Span

LONG = re.compile(
    r"[-dlcbps][-rwxsStT]{9}[.+@]?\s+\d+\s+\S+\s+\S+\s+\d+\s+"
    r"(?:\w+\s+\d+\s+(?:\d+:\d\d|\d{4})|\d{4}-\d\d-\d\d \d\d:\d\d\S*(?: [-+]\d{4})?)\s+(?P<name>\S.*)"
)
NAME = re.compile(r"[\w.+@-]+")
SKIPPED = re.compile(r"total \d+|\.{1,2}/?|/\S*:")


def read(source: Source) -> Iterator[Fact | Gap]:
    """The names, by line."""
    return by_line(source, lambda line, at: plugins(source, line, at))


def plugins(source: Source, line: str, at: Span) -> Iterator[Fact]:
    """The names in a line: one, or several columns of them."""
    if line[:5].startswith(("total", "/")) and SKIPPED.fullmatch(line.strip()):
        return
    found = LONG.fullmatch(line.strip())
    if found and line.startswith("d"):
        return
    names = [found["name"].partition(" -> ")[0]] if found else line.split()
    for name in names:
        if SKIPPED.fullmatch(name):
            continue
        if not NAME.fullmatch(name.rstrip("*")):
            raise ValueError(f"{name[:60]!r} is no name of a plugin")
        start = line.find(name) + 1
        place = Span(at.path, at.line, start, at.line, start + len(name))
        yield PluginFact(at=place, scope=source.scope, name=name.rstrip("*"))


PARSER = Parser(
    kind="cni-plugins", read=read, names=(r"opt_cni_bin", r"ls_(-\S+_)*_?(opt_cni_bin|opt\.cni\.bin|usr_lib(exec)?_cni)_?")
)
