"""The matrix as a picture: rows may talk to columns; what a square means stands in its title."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from analyzer.query.connectivity.answer import Connectivity
from analyzer.report.connectivity import Answer, ConnectivityFormat
from analyzer.report.connectivity._graph import graph
from analyzer.report.graphs import Edge, Tone
from analyzer.report.style import Style, safe

SIDE, GAP, LETTER, MARGIN = 18, 2, 7, 12
LOOK = """\
text { font: 12px sans-serif; fill: #222 } .none { fill: #eceff1 } .all { fill: #2b8a3e } .some { fill: #74b816 } .perhaps { fill: #f0a500 }
@media (prefers-color-scheme: dark) { .page { fill: #1b1e22 } text { fill: #ddd } .none { fill: #2c3138 } }"""


def write(answer: Answer, style: Style) -> Iterable[str]:
    """The picture."""
    del style
    return [picture(answer.found)]


def picture(found: Connectivity) -> str:
    """The picture as one text."""
    return "\n".join(lines(found)) + "\n"


def lines(found: Connectivity) -> Iterator[str]:
    """The parts of the picture."""
    drawn = graph(found)
    names = [node.name for node in drawn.nodes]
    cells: dict[tuple[str, str], list[Edge]] = {}
    for edge in drawn.edges:
        cells.setdefault((edge.source, edge.destination), []).append(edge)
    label = LETTER * max((len(safe(name)) for name in names), default=0) + MARGIN
    size = label + len(names) * SIDE + MARGIN
    yield f'<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size + 24}" viewBox="0 0 {size} {size + 24}" role="img">'
    yield f"<title>who may talk to whom: rows to columns</title><style>{LOOK}</style>"
    yield f'<rect class="page" width="{size}" height="{size + 24}" fill="#fff"/>'
    for number, name in enumerate(names):
        middle = label + number * SIDE + SIDE // 2
        yield f'<text x="{label - 6}" y="{middle + 4}" text-anchor="end">{text(name)}</text>'
        yield f'<text transform="translate({middle + 4} {label - 6}) rotate(-90)">{text(name)}</text>'
    yield f'<rect class="none" x="{label}" y="{label}" width="{len(names) * SIDE}" height="{len(names) * SIDE}"/>'
    numbers = {name: label + number * SIDE for number, name in enumerate(names)}
    for (source, destination), edges in cells.items():
        place = f'x="{numbers[destination]}" y="{numbers[source]}" width="{SIDE - GAP}" height="{SIDE - GAP}"'
        yield square(place, f"{source} to {destination}", edges)
    yield legend(MARGIN, size + 12)
    yield "</svg>"


def square(place: str, ends: str, edges: list[Edge]) -> str:
    """One square, with what it means as its title."""
    sure = [edge for edge in edges if edge.tone is Tone.PLAIN]
    kind = "perhaps" if not sure else "all" if any("everything" in edge.text for edge in sure) else "some"
    told = "; ".join(edge.text + ("" if edge.tone is Tone.PLAIN else " (not certain)") for edge in edges)
    return f'<rect class="{kind}" {place}><title>{text(f"{ends}: {told}")}</title></rect>'


def legend(x: int, y: int) -> str:
    """What the colours mean."""
    parts = []
    for kind, words in (("all", "everything"), ("some", "some ports"), ("perhaps", "not certain"), ("none", "nothing")):
        parts.append(
            f'<rect class="{kind}" x="{x}" y="{y - 10}" width="12" height="12"/><text x="{x + 16}" y="{y}">{words}</text>'
        )
        x += 16 + LETTER * len(words) + 12
    return "".join(parts)


def text(value: str) -> str:
    """A text in XML: without characters that XML cannot hold."""
    return escape("".join(sign for sign in safe(value) if sign not in "\ufffe\uffff" and not "\ud800" <= sign <= "\udfff"))


FORMAT = ConnectivityFormat("svg", write)
