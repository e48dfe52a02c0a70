"""A report whose paths lead to files from the current folder: sources of one directory are named from inside it."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import TypeVar, cast

from analyzer.findings import Report
from analyzer.source import Source, Span

T = TypeVar("T")


def rebased(report: Report, base: str, but: frozenset[str] = frozenset()) -> Report:
    """The report with ``base`` before the path of everything in it ``but`` some, which do."""
    return moved(report, base, but) if base else report


def moved(value: T, base: str, but: frozenset[str]) -> T:
    """A value with every span and source in it moved."""
    if isinstance(value, Span | Source) and value.path in but:
        return value
    if isinstance(value, Span):
        return cast(T, value._replace(path=base + value.path))
    if isinstance(value, Source):
        return cast(T, replace(value, path=base + value.path))
    if isinstance(value, tuple) and type(value) is tuple:
        return cast(T, tuple(moved(item, base, but) for item in value))
    if is_dataclass(value) and not isinstance(value, type):
        inside = {item.name: getattr(value, item.name) for item in fields(value) if item.init}
        changed = {name: there for name, one in inside.items() if (there := moved(one, base, but)) is not one}
        return cast(T, replace(value, **changed)) if changed else value
    return value
