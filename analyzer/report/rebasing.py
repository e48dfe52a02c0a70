"""A report whose paths lead to files from the current folder: sources of one directory are named from inside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import cache
from posixpath import normpath
from typing import TypeVar, cast

from analyzer.findings import Certainty, Report, Severity, Verdict
from analyzer.source import Source, Span

T = TypeVar("T")
PLAIN = frozenset({str, int, bool, type(None), Severity, Certainty, Verdict})
"""Types of values without places in them."""
WORDS = frozenset(("str", "int", "bool", "Severity", "Certainty", "Verdict"))
"""The same as annotations say them."""


# A place in words, as a Span is written: a path, a line and perhaps a column.
PLACE = re.compile(r"([^\s'\"`(),;]+?)(:\d+(?::\d+)?)(?![\w.:/])")


def rebased(report: Report, base: str, but: frozenset[str] = frozenset()) -> Report:
    """The report with ``base`` before the path of everything in it ``but`` some, which do."""
    if not base:
        return report
    return reworded(moved(report, base, but), report.sources, lambda path: path if path in but else joined(base, path))


def renamed(report: Report, names: Mapping[str, str]) -> Report:
    """The report with other names for some of its files."""
    if not names:
        return report
    return reworded(called(report, lambda path: names.get(path, path)), report.sources, lambda path: names.get(path, path))


def reworded(report: Report, sources: Sequence[Source], name: Callable[[str], str]) -> Report:
    """The report with other names for its files where the words of gaps and guarantees name places in them."""
    known = {source.path for source in sources}

    def text(words: str) -> str:
        return PLACE.sub(lambda found: (name(found[1]) if found[1] in known else found[1]) + found[2], words)

    return replace(
        report,
        gaps=tuple(replace(gap, reason=text(gap.reason)) for gap in report.gaps),
        guarantees=tuple(
            replace(item, reason=text(item.reason), assumptions=tuple(map(text, item.assumptions))) for item in report.guarantees
        ),
    )


def moved(value: T, base: str, but: frozenset[str]) -> T:
    """A value with every span and source in it moved."""
    return called(value, lambda path: path if path in but else joined(base, path))


def joined(base: str, path: str) -> str:
    """A path behind what stands before it; what lies outside is named without a way back."""
    return normpath(base + path) if path.startswith("../") else base + path


def as_written(report: Report) -> Report:
    """The report with places as files have them that were rendered before they were read."""
    rendered = {source.path: source for source in reversed(report.sources) if source.origin}
    if not rendered:
        return report
    return mapped(set_by(report), lambda at: rendered[at.path].placed(at) if at.path in rendered else at, lambda source: source)


def set_by(report: Report) -> Report:
    """The report with findings about values that a patch of a kustomization sets at the patch; the patches that are named are then among its sources."""
    from analyzer.report.patched import at_patches

    findings, texts = at_patches(report.findings, report.sources)
    there = {source.path for source in report.sources}
    more = tuple(Source(path, text, "kustomization") for path, text in sorted(texts.items()) if path not in there)
    return replace(report, findings=findings, sources=(*report.sources, *more)) if texts else report


def called(value: T, name: Callable[[str], str]) -> T:
    """A value whose spans and sources have the paths that a function gives theirs."""

    def span(at: Span) -> Span:
        path = name(at.path)
        return at if path == at.path else at._replace(path=path)

    def source(one: Source) -> Source:
        path = name(one.path)
        return one if path == one.path else replace(one, path=path)

    return mapped(value, span, source)


def mapped(value: T, span: Callable[[Span], Span], source: Callable[[Source], Source]) -> T:
    """A value with every span and source in it changed by functions."""
    if type(value) in PLAIN:
        return value
    if isinstance(value, Span):
        return cast(T, span(value))
    if isinstance(value, Source):
        return cast(T, source(value))
    if isinstance(value, tuple) and type(value) is tuple:
        return cast(T, tuple(mapped(item, span, source) for item in value))
    if names := names_of(type(value)):  # type: ignore[arg-type]  # A class has its own hash.
        inside = ((one, getattr(value, one)) for one in names)
        changed = {one: there for one, given in inside if (there := mapped(given, span, source)) is not given}
        return replace(value, **changed) if changed else value  # type: ignore[type-var]  # It is a dataclass.
    return value


@cache
def names_of(kind: type) -> tuple[str, ...]:
    """The fields of a dataclass that it is made from, without those that hold no place by their type; none of another type."""
    return tuple(item.name for item in fields(kind) if item.init and item.type not in WORDS) if is_dataclass(kind) else ()
