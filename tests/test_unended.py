"""Listings that were cut in the middle of a line."""

from __future__ import annotations

import pytest

from analyzer.capture.reading import facts
from analyzer.capture.unended import REASON
from analyzer.facts.base import Fact
from analyzer.source import Gap, Scope, Source

ROUTES = "default via 192.168.0.1 dev eth0\n10.0.1.0/24 via 192.168.0.12 dev eth0\n"


def read(*texts: str, command: str = "") -> tuple[list[Fact], list[Gap]]:
    """The facts and gaps of a node's listings, the first of its routes."""
    kinds = ("ip-route", *["ip-neigh"] * 8)
    sources = [
        Source(f"nodes/n{number}/{kind}", text, kind, Scope(f"n{number}"), command=command)
        for number, (kind, text) in enumerate(zip(kinds, texts, strict=False))
    ]
    found, gaps = facts(sources)
    return list(found), list(gaps)


def others(count: int) -> list[str]:
    """Listings that are whole."""
    return ["\n"] * count


def test_what_a_cut_line_says_does_not_count() -> None:
    found, gaps = read(ROUTES[:-14], *others(8))
    assert [fact.at.line for fact in found] == [1]
    assert [(gap.at.line, gap.reason, gap.subject, gap.cut) for gap in gaps] == [(2, REASON, "ip-route", True)]


def test_one_line_alone_that_is_cut() -> None:
    found, gaps = read(ROUTES[:20], *others(8))
    assert (found, [gap.at.line for gap in gaps]) == ([], [1])


@pytest.mark.parametrize(
    "texts", [(ROUTES[:-1],), (ROUTES[:-1], *others(2)), (ROUTES[:-1], *others(6), ""), (ROUTES, *others(8))], ids=len
)
def test_texts_that_people_copied_are_whole(texts: tuple[str, ...]) -> None:
    """Where few have a line end, or all have one, nothing was cut."""
    found, gaps = read(*texts)
    assert [fact.at.line for fact in found] == [1, 2]
    assert not gaps


def test_collectors_that_strip_the_last_line_end_cut_nothing() -> None:
    found, gaps = read(ROUTES[:-1], *(["10.0.0.1 dev eth0 FAILED"] * 2), *others(6))
    assert len(found) >= 2
    assert not [gap for gap in gaps if gap.reason == REASON]


def test_parts_of_a_pasted_text_end_where_the_next_begins() -> None:
    found, gaps = read(ROUTES[:-1], *others(8), command="ip_route")
    assert (len(found), gaps) == (2, [])
