"""The graph of nodes as a picture: a box for each node with its namespaces, and an arrow for each packet that is lost."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from analyzer.report.graphs import Graph, Node, boxes
from analyzer.report.page.path import cut
from analyzer.report.page.text import section, shown

ACROSS, WIDTH, GAP, LINE, TOP, LETTERS, ROWS = 4, 250, 40, 20, 26, 34, 8
LOOK = """\
text { font: 12px sans-serif; fill: #222 } .name { font-weight: 600 } rect { fill: #f3f5f7; stroke: #566069 } .lost { fill: none; stroke: #b3261e; stroke-width: 2 }
@media (prefers-color-scheme: dark) { text { fill: #ddd } rect { fill: #1e2227; stroke: #a4adb5 } .lost { stroke: #ff8a80 } }"""


def part(found: Graph) -> str:
    """The section of the page; nothing where no nodes are known."""
    drawn = picture(found)
    return section("topology", "Nodes and namespaces", drawn) if drawn else ""


def alone(found: Graph) -> str:
    """The picture as a file of its own."""
    head, tail = (picture(found) or '<svg viewBox="0 0 10 10"></svg>').split(">", 1)
    return f'{head} xmlns="http://www.w3.org/2000/svg"><style>{LOOK}</style>{tail}\n'


def picture(found: Graph) -> str:
    """The boxes in rows, and the arrows over them; nothing without boxes."""
    ends = {name for edge in found.edges for name in (edge.source, edge.destination)}
    named = {box: few(nodes, ends) for box, nodes in boxes(found).items() if box}
    if not named:
        return ""
    parts, places, height = drawn_boxes(named, networks(found))
    arrows = [
        arrow(places[edge.source], places[edge.destination], edge.text)
        for edge in found.edges
        if is_loss(edge.source, edge.destination, places)
    ]
    rest = "".join(f'<text x="5" y="{height + 14}">{shown(node.text)}</text>' for node in found.nodes if node.name == "more")
    width, height = min(ACROSS, len(named)) * (WIDTH + GAP) + 10, height + 24
    label = f"{len(named)} nodes with the namespaces of their pods" + (
        f", and {len(arrows)} packets that are lost" if arrows else ""
    )
    return f'<svg class="topology" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{shown(label)}">{"".join((*parts, *arrows))}{rest}</svg>'


def few(nodes: Sequence[Node], ends: Container[str]) -> list[Node]:
    """The lines of a box: those that an arrow starts or ends at before others, and how many are left out."""
    if len(nodes) <= ROWS:
        return list(nodes)
    kept = sorted(nodes, key=lambda node: node.name not in ends)[: ROWS - 1]
    return [*(node for node in nodes if node in kept), Node("", f"… and {len(nodes) - len(kept)} more", nodes[0].box)]


def is_loss(source: str, destination: str, places: Mapping[str, tuple[int, int]]) -> bool:
    """Whether an edge is between places that are drawn."""
    return source in places and destination in places


def networks(found: Graph) -> dict[str, list[str]]:
    """The networks that each node is in."""
    result: dict[str, list[str]] = {}
    for edge in found.edges:
        if not edge.ahead:
            result.setdefault(edge.source, []).append(edge.destination.removeprefix("network "))
    return result


def drawn_boxes(
    named: Mapping[str, Sequence[Node]], joined: Mapping[str, Sequence[str]]
) -> tuple[list[str], dict[str, tuple[int, int]], int]:
    """The boxes, where the middle of each line in them is, and how far down they reach."""
    parts: list[str] = []
    places: dict[str, tuple[int, int]] = {}
    top, tallest = 5, 0
    for number, (box, nodes) in enumerate(named.items()):
        column = number % ACROSS
        if number and not column:
            top, tallest = top + tallest + GAP, 0
        x, height = 5 + column * (WIDTH + GAP), TOP + LINE * len(nodes)
        parts.append(f'<rect x="{x}" y="{top}" width="{WIDTH}" height="{height}" rx="6"/>')
        parts.append(
            f'<text class="name" x="{x + 8}" y="{top + 17}">{shown(cut(box, LETTERS))}<title>{shown(box)}</title></text>'
        )
        for row, node in enumerate(nodes):
            y = top + TOP + LINE * row
            places[node.name] = x + WIDTH, y + 8
            text = node.text + (f" · {', '.join(joined[node.name])}" if node.name in joined else "")
            parts.append(f'<text x="{x + 8}" y="{y + 12}">{shown(cut(text, LETTERS))}<title>{shown(text)}</title></text>')
        tallest = max(tallest, height)
    return parts, places, top + tallest


def arrow(start: tuple[int, int], end: tuple[int, int], text: str) -> str:
    """A packet that is lost, from where it is sent to where it ends: to a box on the right from the left, else around its right side."""
    (x, y), (far, low) = start, end
    ahead = far > x
    tip, side = (far - WIDTH - 2, -6) if ahead else (far + 2, 6)
    bends = (x + GAP - 12, tip - GAP + 12) if ahead else (max(x, far) + GAP - 12,) * 2
    path = f"M{x} {y}C{bends[0]} {y} {bends[1]} {low} {tip} {low}m{side} -4l{-side} 4l{side} 4"
    return f'<path class="lost" d="{path}"><title>{shown(text)}</title></path>'
