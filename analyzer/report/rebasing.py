"""A report whose paths lead to files from the current folder: sources of one directory are named from inside it."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import TypeVar, cast

from analyzer.findings import Certainty, Report, Severity, Verdict
from analyzer.source import Source, Span

T = TypeVar("T")
PLAIN = frozenset({str, int, bool, type(None), Severity, Certainty, Verdict})
"""Types of values without places in them."""


def rebased(report: Report, base: str, but: frozenset[str] = frozenset()) -> Report:
    """The report with ``base`` before the path of everything in it ``but`` some, which do."""
    return moved(report, base, but) if base else report


def moved(value: T, base: str, but: frozenset[str]) -> T:
    """A value with every span and source in it moved."""
    if type(value) in PLAIN:
        return value
    if isinstance(value, Span | Source) and value.path in but:
        return value
    if isinstance(value, Span):
        return cast(T, value._replace(path=base + value.path))
    if isinstance(value, Source):
        return cast(T, replace(value, path=base + value.path))
    if isinstance(value, tuple) and type(value) is tuple:
        return cast(T, tuple(moved(item, base, but) for item in value))
    if names := names_of(type(value)):  # type: ignore[arg-type]  # A class has its own hash.
        inside = ((name, getattr(value, name)) for name in names)
        changed = {name: there for name, one in inside if (there := moved(one, base, but)) is not one}
        return replace(value, **changed) if changed else value  # type: ignore[type-var]  # It is a dataclass.
    return value


@cache
def names_of(kind: type) -> tuple[str, ...]:
    """The fields of a dataclass that it is made from; none of another type."""
    return tuple(item.name for item in fields(kind) if item.init) if is_dataclass(kind) else ()
