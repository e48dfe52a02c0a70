"""The path of a packet as a picture: a box for each place that it comes through, forward and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from analyzer.report.page.text import shown
from analyzer.solve.packet import Hop

WIDTH, HEIGHT, GAP, MOST = 210, 46, 34, 40
NAME, WHAT = 24, 28
LOOK = """\
text { font: 12px sans-serif; fill: #222 } .name { font-weight: 600 } rect { fill: #f3f5f7; stroke: #566069 } .arrow { fill: none; stroke: #566069; stroke-width: 1.5 }
.bad rect { stroke: #b3261e; stroke-width: 2 } .good rect { stroke: #1d6b2c; stroke-width: 2 }
@media (prefers-color-scheme: dark) { text { fill: #ddd } rect { fill: #1e2227; stroke: #a4adb5 } .arrow { stroke: #a4adb5 } .bad rect { stroke: #ff8a80 } .good rect { stroke: #7bd88f } }"""


def ladder(hops: Sequence[Hop]) -> str:
    """The picture; nothing where there are no hops. The table of hops says the same."""
    ways = [list(places(group)) for _, group in groupby(hops, key=lambda hop: hop.reply)]
    if not hops or sum(map(len, ways)) > MOST:
        return ""
    across = max(map(len, ways))
    width, height = across * (WIDTH + GAP) + 10, len(ways) * (HEIGHT + GAP) + 10
    drawn = "".join(way(boxes, row, backwards=bool(row % 2), across=across) for row, boxes in enumerate(ways))
    label = "the packet goes through " + ", ".join(dict.fromkeys(hop.place for hop in hops))
    return f'<svg class="path" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{shown(label)}">{drawn}</svg>'


def alone(drawn: str) -> str:
    """A picture of a page as a file of its own."""
    head, tail = drawn.split(">", 1)
    return f'{head} xmlns="http://www.w3.org/2000/svg"><style>{LOOK}</style>{tail}'


def places(hops: Iterable[Hop]) -> Iterable[tuple[str, str, str]]:
    """The places of one way: each with the last thing that happened there, and the class of its end."""
    for place, group in groupby(hops, key=lambda hop: hop.place):
        *_, last = group
        kind = "bad" if last.stage == "drop" else "good" if last.stage == "deliver" else "way"
        yield place, f"{last.stage}: {last.what}", kind


def way(boxes: Sequence[tuple[str, str, str]], row: int, *, backwards: bool, across: int) -> str:
    """One way, from left to right, or back."""
    drawn = []
    for number, (place, what, kind) in enumerate(boxes):
        column = across - 1 - number if backwards else number
        x, y = 5 + column * (WIDTH + GAP), 5 + row * (HEIGHT + GAP)
        drawn.append(
            f'<g class="{kind}"><title>{shown(f"{place}: {what}")}</title><rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
        )
        drawn.append(
            f'<text x="{x + 8}" y="{y + 19}" class="name">{shown(cut(place, NAME))}</text><text x="{x + 8}" y="{y + 36}">{shown(cut(what, WHAT))}</text></g>'
        )
        if number:
            start = x + WIDTH + GAP if backwards else x - GAP
            end = x + WIDTH + 4 if backwards else x - 4
            middle = y + HEIGHT // 2
            tip = 6 if backwards else -6
            drawn.append(f'<path class="arrow" d="M{start} {middle}H{end}m{tip} -4l{-tip} 4l{tip} 4"/>')
    return "".join(drawn)


def cut(text: str, letters: int) -> str:
    """A text that fits into a box; of a long one its end says more."""
    return text if len(text) <= letters else f"{text[: letters // 2]}…{text[1 - (letters + 1) // 2 :]}"
