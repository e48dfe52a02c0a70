"""One page that works offline: a matrix of namespaces, and for a square of it who may talk to whom on which ports.

Nothing is loaded and nothing sent: the page's own policy forbids it, and lets its one script and style run by their hashes. Texts of the
input stand in a block of data and are put on the page as text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from analyzer.query.connectivity.answer import Link
from analyzer.report.connectivity import Answer, ConnectivityFormat
from analyzer.report.connectivity._names import asked, by_namespace, namespace_of, natural, spaces_of, words
from analyzer.report.page import matrix
from analyzer.report.page.shell import page
from analyzer.report.page.style import MATRIX
from analyzer.report.style import Style, safe


def write(answer: Answer, style: Style) -> Iterable[str]:
    """The page."""
    del style
    return [page("who may talk to whom", [matrix.part()], data=data(answer), script=MATRIX)]


def data(answer: Answer) -> dict[str, Any]:
    """Names once, links by the numbers of names."""
    found = answer.found
    ends = {name for link in (*found.links, *found.uncertain) for name in (*link.sources, *link.destinations)}
    names = sorted({party.id for party in found.parties} | ends, key=natural)
    numbers = {name: number for number, name in enumerate(names)}
    cells = by_namespace(found)
    spaces = spaces_of(found, cells)
    order = {space: number for number, space in enumerate(spaces)}
    return {
        "profile": answer.profile,
        "names": [safe(name) for name in names],
        "spaces": [safe(space) for space in spaces],
        "space": [order[namespace_of(name)] for name in names],
        "single": [int(name in found.singles) for name in names],
        "links": [linked(link, numbers) for link in (*found.links, *found.uncertain)],
        "cells": [
            [order[one], order[other], cell.pairs, int(cell.everything), cell.perhaps]
            for (one, other), cell in sorted(cells.items())
        ],
        "through": [
            [
                item.kind,
                item.name,
                item.service,
                item.source,
                item.destination,
                words(item.allow),
                item.admitted,
                item.why,
                safe(asked(item.requests)),
            ]
            for item in answer.entrances
        ],
    }


def linked(link: Link, numbers: dict[str, int]) -> list[Any]:
    """A link by numbers."""
    family = f" (IPv{link.family} only)" if link.family else ""
    sides = [[numbers[name] for name in side] for side in (link.sources, link.destinations)]
    return [*sides, words(link.allow) + family, safe(link.why)]


FORMAT = ConnectivityFormat("html", write)
