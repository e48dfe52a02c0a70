"""Copies of records with other fields (``analyzer/copies.py``) are those that ``dataclasses.replace`` makes; lines that a parser remembers read as new ones do."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest

from analyzer.capture.recognise import parser_of
from analyzer.copies import altered, shape
from analyzer.facts.base import Fact
from analyzer.parsers import read
from analyzer.source import Gap, Scope, Source, Span

SAMPLES = Path(__file__).parent.parent / "samples" / "parsers"
REMEMBERING = ("bridge-fdb", "ip-addr", "ip-neigh", "ip-route", "ip-rule", "ss", "sysctl")


def texts(kind: str) -> list[Path]:
    """The samples of a kind of text."""
    return sorted(path for path in (SAMPLES / kind).iterdir() if path.suffix not in (".facts", ".json"))


def told(items: list[Fact | Gap]) -> list[object]:
    """What was read, with the places."""
    return [(item, item.at, item.scope) for item in items]


@pytest.mark.parametrize("kind", REMEMBERING)
def test_a_copy_is_what_replace_makes_and_lines_read_the_same_twice(kind: str) -> None:
    parser = parser_of(kind)
    assert parser is not None
    assert texts(kind)
    for path in texts(kind):
        text = path.read_text(encoding="utf-8", errors="replace")
        first, again = (list(read(parser, Source(name, text, kind, Scope(name)))) for name in ("one", "two"))
        lower = [item.at.line - 2 for item in read(parser, Source("two", f"\n\n{text}", kind)) if isinstance(item, Fact)]
        if kind != "ss":
            assert lower == [item.at.line for item in again if isinstance(item, Fact)]
        for one, two in zip(first, again, strict=True):
            assert (two.at, two.scope) == (one.at._replace(path="two"), Scope("two"))
            if isinstance(one, Fact):
                assert told([altered(one, at=two.at, scope=two.scope)]) == told([replace(one, at=two.at, scope=two.scope)])
                assert two == one


def test_only_records_with_slots_are_copied_so() -> None:
    @dataclass
    class Open:
        one: int
        two: int

    with pytest.raises(TypeError):
        shape(Open)
    with pytest.raises(KeyError):
        altered(Gap(Span("x", 1), "why"), other=1)
    with pytest.raises(TypeError):
        shape(Span)
    assert len(fields(Gap)) == len(shape(Gap).by_name)
