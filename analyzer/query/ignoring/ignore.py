"""An ignore as a value, and what it covers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from analyzer.facts.kubernetes import ObjectFact
from analyzer.findings import Edit, Ignored
from analyzer.source import Span


@dataclass(frozen=True, slots=True)
class Ignore:
    """Findings of ``rules`` (ids, with ``*`` for the rest of a name; none: it is written in a way that ignores nothing, and ``reason`` is what it says) do not count where all else fits that is not empty: the
    ``file`` as the report names it, the ``first`` to the ``last`` line, the ``path`` as a pattern of the settings (``*`` within a folder, ``**``
    across), and the object by ``kind``, ``namespace`` and ``name`` (with ``*``). ``at`` is where it is said; ``removal``
    takes it away."""

    by: Ignored
    rules: tuple[str, ...]
    reason: str
    at: Span
    file: str = ""
    first: int = 0
    last: int = 0
    path: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""
    removal: tuple[Edit, ...] = ()

    @property
    def placed(self) -> bool:
        """Whether it is about a place or an object, and not about everything."""
        return bool(self.file or self.path or self.kind or self.namespace or self.name)


@dataclass(frozen=True, slots=True)
class Subject:
    """What an ignore is asked about: a finding's rule and place, the path as the settings see it, and the object around it."""

    rule: str
    at: Span
    path: str
    object: ObjectFact | None = None


def covers(item: Ignore, subject: Subject) -> bool:
    """Whether the ignore is about the finding."""
    return (
        any(fnmatchcase(subject.rule, pattern) for pattern in item.rules)
        and (not item.file or item.file == subject.at.path)
        and (not item.first or meets(item, subject.at))
        and (not item.path or glob(item.path).fullmatch(subject.path) is not None)
        and about(item, subject.object)
    )


def meets(item: Ignore, at: Span) -> bool:
    """Whether the lines of the ignore and of the place have one in common."""
    return at.line <= item.last and item.first <= max(at.line, at.end_line)


def about(item: Ignore, found: ObjectFact | None) -> bool:
    """Whether the object is one that the ignore names."""
    wanted = (item.kind, item.namespace, item.name)
    if not any(wanted):
        return True
    has = (found.kind, found.namespace, found.name) if found else None
    return has is not None and all(not pattern or fnmatchcase(value, pattern) for pattern, value in zip(wanted, has, strict=True))


@lru_cache(maxsize=1024)
def glob(pattern: str) -> re.Pattern[str]:
    """A pattern of paths: ``*`` and ``?`` within a folder, ``**`` across folders; a folder stands for all below it."""
    parts = re.split(r"(\*\*/?|\*|\?)", pattern.removeprefix("./").rstrip("/"))
    words = {"**/": r"(?:[^/]+/)*", "**": r".*", "*": r"[^/]*", "?": r"[^/]"}
    return re.compile("".join(words.get(part, re.escape(part)) for part in parts) + r"(?:/.*)?", re.DOTALL)
