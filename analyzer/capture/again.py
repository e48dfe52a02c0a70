"""What an earlier look at the same folder read of files that are as they were: who looks again and again (``--watch``) opens only what changed.

A file is taken to be as it was where its number, size and both times are, and it had not been written to shortly before it was read: a clock of files ticks some hundred
times a second, and two writes in one tick look alike.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from analyzer.capture.common import Common
from analyzer.facts.base import Fact
from analyzer.model.again import Built
from analyzer.parsers import Parser
from analyzer.query.alike.told import Kept
from analyzer.source import Gap, Source

Stamp = tuple[int, ...]
Reader = Callable[[Source], Iterable[Fact | Gap]]
SETTLED = 2_000_000_000
"""Nanoseconds before it is read since which a file has to be as it is."""
LOOKS = 100
"""After so many looks all is read anew: what texts had in common with those of before is kept until then."""


def stamp(status: os.stat_result) -> Stamp:
    """What tells one state of a file from another."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


@dataclass(slots=True)
class Again:
    """What was read: by path the source of a file, with its stamp; texts of no namespace; the facts of each source; the parsers with what they know of the capture; the
    namespaces, and what is known of who is alike. ``begun``: the stamps of the files that are being read now, of those that can be kept."""

    files: dict[str, tuple[Stamp, Source]] = field(default_factory=dict)
    texts: dict[tuple[str, str, str, str], Source] = field(default_factory=dict)
    facts: dict[int, tuple[Source, tuple[Fact | Gap, ...]]] = field(default_factory=dict)
    parsers: dict[str, tuple[Parser, Reader]] = field(default_factory=dict)
    common: dict[str, Common] = field(default_factory=dict)
    equal: dict[str, str] = field(default_factory=dict)
    built: Built = field(default_factory=Built)
    alike: Kept = field(default_factory=Kept)
    begun: dict[str, Stamp] = field(default_factory=dict)
    looks: int = 0

    def begin(self) -> None:
        """Another look begins."""
        self.begun.clear()
        self.looks += 1
        if self.looks % LOOKS == 0:
            for held in (self.files, self.texts, self.facts, self.parsers, self.common, self.equal):
                held.clear()
            self.built, self.alike = Built(), Kept()

    def known(self, path: str, target: str) -> tuple[Source, int] | None:
        """The source of a file that is as it was, and its size. OSError where it is not there."""
        now = stamp(os.stat(target, follow_symlinks=False))
        before = self.files.get(path)
        if before is not None and before[0] == now:
            return before[1], now[2]
        if max(now[3:]) < time.time_ns() - SETTLED:
            self.begun[path] = now
        return None

    def keep(self, path: str, target_size: int, source: Source) -> None:
        """Notes the source of a file that was read, and was not written to meanwhile."""
        now = self.begun.get(path)
        if now is not None and now[2] == target_size:
            self.files[path] = (now, source)

    def same(self, sources: Sequence[Source]) -> tuple[Source, ...]:
        """The sources, with those of an earlier look in place of equal ones; what is not among them is forgotten."""
        found = tuple(map(self.one, sources))
        self.texts = {place(source): source for source in found if source.scope is None}
        paths = {source.path for source in found}
        self.files = {path: held for path, held in self.files.items() if path in paths}
        return found

    def one(self, source: Source) -> Source:
        """A source, or the equal one of an earlier look."""
        if source.scope is not None:
            return source
        before = self.texts.get(place(source))
        return before if before is not None and before == source else source


def place(source: Source) -> tuple[str, str, str, str]:
    """What tells a source from others of one look."""
    return source.path, source.kind, source.subject, source.command
