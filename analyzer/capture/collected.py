"""What was loaded so far, while files are read one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analyzer.capture.common import Common
from analyzer.capture.sessions.elsewhere import Elsewhere
from analyzer.pieces import Pieces
from analyzer.source import Gap, Source

if TYPE_CHECKING:
    from analyzer.capture.again import Again

EQUAL = 1 << 12
"""Characters of a text up to which it is looked up among the others."""


@dataclass(slots=True)
class Collected:
    """What was loaded so far, with the folder that each source belongs to. ``pending``: parts of pasted texts whose namespace only
    the objects of the whole input tell. ``kinds``: by the name of a kind of capture, its folders, each with its first file. ``hosts``: by folder,
    the node that it is named for, and the name that a file in it says. ``notes``: what a text says twice. ``built_on``, ``beside``: the files that
    kustomizations name as objects, and as what changes objects. ``doubled``: files that are there twice, with other content. ``common``: what long texts of a kind have in common; ``equal``: short texts. ``again``: what an earlier look
    read."""

    sources: list[tuple[str, Source]] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    notes: list[Gap] = field(default_factory=list)
    pending: list[Pending] = field(default_factory=list)
    ignored: int = 0
    kinds: dict[str, dict[str, str]] = field(default_factory=dict)
    hosts: dict[str, tuple[str, str]] = field(default_factory=dict)
    built_on: set[str] = field(default_factory=set)
    beside: set[str] = field(default_factory=set)
    doubled: set[str] = field(default_factory=set)
    common: dict[str, Common] = field(default_factory=dict)
    equal: dict[str, str] = field(default_factory=dict)
    again: Again | None = None

    def shared(self, text: str, kind: str) -> str | Pieces:
        """A text of a namespace's state, held once with those that are equal, or in pieces where it is long."""
        return self.equal.setdefault(text, text) if len(text) < EQUAL else self.common.setdefault(kind, Common()).cut(text)


@dataclass(frozen=True, slots=True)
class Pending:
    """A source without its namespace, the place where its command ran, and the line it begins at."""

    root: str
    source: Source
    place: Elsewhere
    line: int
