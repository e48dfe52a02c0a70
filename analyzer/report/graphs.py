"""Graphs that can be drawn: nodes in boxes, edges with their words; for Graphviz and for Mermaid.

Names are quoted as each language wants: strings of DOT with ``\\`` and ``\"`` escaped (https://graphviz.org/doc/info/lang.html); in Mermaid, which GitHub and
GitLab draw, what could end the quotes or means something is an entity (https://mermaid.js.org/syntax/flowchart.html).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from analyzer.report.style import safe


class Tone(StrEnum):
    """How an edge or a node is meant: as it is, not certain, what fails, or what is well."""

    PLAIN = "plain"
    UNSURE = "unsure"
    BAD = "bad"
    GOOD = "good"


@dataclass(frozen=True, slots=True)
class Node:
    """A node: its name, what to write into it, and the box that it stands in (empty: none)."""

    name: str
    text: str
    box: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge. ``ahead``: it has a direction."""

    source: str
    destination: str
    text: str
    tone: Tone = Tone.PLAIN
    ahead: bool = True


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes and edges in order."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


COLOURS = {Tone.BAD: "#b3261e", Tone.GOOD: "#1d6b2c", Tone.UNSURE: "#8a5300"}
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -_./:,()*")


def boxes(found: Graph) -> dict[str, list[Node]]:
    """The nodes of each box, in order; those without one first."""
    result: dict[str, list[Node]] = {"": []}
    for node in sorted(found.nodes, key=lambda node: (node.box, node.name)):
        result.setdefault(node.box, []).append(node)
    return result


def dot(found: Graph, name: str) -> str:
    """The graph for Graphviz, with a cluster for each box."""
    return "\n".join(dot_lines(found, name)) + "\n"


def dot_lines(found: Graph, name: str) -> Iterator[str]:
    """The lines of the graph."""
    yield f"digraph {name} {{"
    yield '  graph [rankdir=LR, fontname="sans-serif"]; node [shape=box, fontname="sans-serif"]; edge [fontname="sans-serif", fontsize=10];'
    for number, (box, nodes) in enumerate(boxes(found).items()):
        if box:
            yield f"  subgraph cluster_{number} {{"
            yield f"    label={in_dot(box)};"
        yield from (
            f"  {'  ' if box else ''}{in_dot(node.name)} [label={in_dot(node.text)}{coloured(node.tone)}];" for node in nodes
        )
        if box:
            yield "  }"
    for edge in found.edges:
        dashed = ", style=dashed" if edge.tone is Tone.UNSURE else ""
        colour = coloured(edge.tone) if edge.tone in (Tone.BAD, Tone.GOOD) else ""
        ahead = "" if edge.ahead else ", dir=none"
        yield f"  {in_dot(edge.source)} -> {in_dot(edge.destination)} [label={in_dot(edge.text)}{dashed}{colour}{ahead}];"
    yield "}"


def coloured(tone: Tone) -> str:
    """The colour of a tone as an attribute."""
    return f', color="{COLOURS[tone]}"' if tone in COLOURS else ""


def in_dot(text: str) -> str:
    """A text as a string of DOT."""
    return '"' + safe(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def mermaid(found: Graph) -> str:
    """The graph as a flowchart for Mermaid, with a subgraph for each box."""
    return "\n".join(mermaid_lines(found)) + "\n"


def mermaid_lines(found: Graph) -> Iterator[str]:
    """The lines of the flowchart."""
    yield "flowchart LR"
    numbers = {node.name: f"n{number}" for number, node in enumerate(found.nodes)}
    for number, (box, nodes) in enumerate(boxes(found).items()):
        if box:
            yield f"  subgraph s{number}[{in_mermaid(box)}]"
        yield from (f"  {'  ' if box else ''}{numbers[node.name]}[{in_mermaid(node.text)}]" for node in nodes)
        if box:
            yield "  end"
    for edge in found.edges:
        line = "-.-" if edge.tone is Tone.UNSURE else "---" if not edge.ahead else "--"
        arrow = line + ">" if edge.ahead else line
        words = f"|{in_mermaid(edge.text)}|" if edge.text else ""
        yield f"  {numbers[edge.source]} {arrow}{words} {numbers[edge.destination]}"
    yield from mermaid_styles(found, numbers)


def mermaid_styles(found: Graph, numbers: dict[str, str]) -> Iterator[str]:
    """The colours of nodes and edges that are not plain."""
    for node in found.nodes:
        if node.tone in (Tone.BAD, Tone.GOOD):
            yield f"  style {numbers[node.name]} stroke:{COLOURS[node.tone]}"
    for number, edge in enumerate(found.edges):
        if edge.tone in (Tone.BAD, Tone.GOOD):
            yield f"  linkStyle {number} stroke:{COLOURS[edge.tone]}"


def in_mermaid(text: str) -> str:
    """A text in quotes; characters that mean something to Mermaid or to HTML as entities of Mermaid (``#35;``)."""
    return '"' + "".join(sign if sign in PLAIN else f"#{ord(sign)};" for sign in safe(text)) + '"'
