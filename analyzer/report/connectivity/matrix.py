"""A table for terminals: who (rows) may talk to whom (columns); namespaces stand for their endpoints where there are many."""

from __future__ import annotations

from collections.abc import Iterable

from analyzer.query.connectivity.answer import Connectivity
from analyzer.report.connectivity import Answer, ConnectivityFormat
from analyzer.report.connectivity._names import OUTSIDE, by_namespace, spaces_of, words
from analyzer.report.style import Style, safe

SMALL = 40
EVERYTHING, SOME, PERHAPS, NOTHING = "#", "+", "?", "·"
LEGEND = f"{EVERYTHING} everything   {SOME} some protocols and ports   {PERHAPS} not certain   {NOTHING} nothing"


def write(answer: Answer, style: Style) -> Iterable[str]:
    """The table and what its signs mean."""
    found = answer.found
    small = len(found.parties) <= SMALL
    signs = of_endpoints(found) if small else of_namespaces(found)
    names = names_of(found) if small else spaces_of(found, by_namespace(found))
    lines = table(names, signs, style)
    scale = "" if small else " (namespaces; the best of any pair of their endpoints)"
    return ["\n".join([*lines, "", LEGEND + scale]) + "\n"]


def names_of(found: Connectivity) -> list[str]:
    """The endpoints and the networks outside, these last."""
    parties = [party.id for party in found.parties]
    ends = {name for link in (*found.links, *found.uncertain) for name in (*link.sources, *link.destinations)}
    return [*parties, *([OUTSIDE] if ends - set(parties) else [])]


def of_endpoints(found: Connectivity) -> dict[tuple[str, str], str]:
    """The sign of each pair; of networks outside the best."""
    parties = {party.id for party in found.parties}
    signs: dict[tuple[str, str], str] = {}
    for links in (found.uncertain, found.links):
        for pair in found.pairs(links):
            key = tuple(name if name in parties else OUTSIDE for name in (pair.source, pair.destination))
            sign = PERHAPS if pair.link.why else EVERYTHING if words(pair.link.allow) == "everything" else SOME
            signs[key[0], key[1]] = better(signs.get((key[0], key[1]), NOTHING), sign)
    return signs


def of_namespaces(found: Connectivity) -> dict[tuple[str, str], str]:
    """The sign of each pair of namespaces."""
    cells = by_namespace(found)
    return {key: (EVERYTHING if cell.everything else SOME) if cell.pairs else PERHAPS for key, cell in cells.items()}


def better(one: str, other: str) -> str:
    """The sign that says more."""
    order = NOTHING + PERHAPS + SOME + EVERYTHING
    return max(one, other, key=order.index)


def table(names: list[str], signs: dict[tuple[str, str], str], style: Style) -> list[str]:
    """Rows with the names before them; columns have the numbers of the rows."""
    width, digits = max(map(len, map(safe, names)), default=0), len(str(len(names)))
    head = [" " * (digits + width + 2) + " ".join(str(number).rjust(digits) for number in range(1, len(names) + 1))]
    roles = {EVERYTHING: "good", SOME: "good", PERHAPS: "unsure", NOTHING: "dim"}
    for number, source in enumerate(names, 1):
        row = (signs.get((source, destination), NOTHING) for destination in names)
        cells = " ".join(" " * (digits - 1) + style.paint(sign, roles[sign]) for sign in row)
        head.append(f"{number:>{digits}} {safe(source):{width}} {cells}")
    return head


FORMAT = ConnectivityFormat("matrix", write)
