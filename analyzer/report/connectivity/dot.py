"""The answer as a graph for Graphviz; names are quoted as its language wants (strings with ``\\`` and ``\"`` escaped)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from analyzer.report.connectivity import Answer, ConnectivityFormat
from analyzer.report.connectivity._graph import Graph, Node, boxes, graph
from analyzer.report.style import Style, safe


def write(answer: Answer, style: Style) -> Iterable[str]:
    """A digraph with a cluster for each namespace."""
    del style
    return ["\n".join(lines(graph(answer.found))) + "\n"]


def lines(found: Graph) -> Iterator[str]:
    """The lines of the graph."""
    yield "digraph connectivity {"
    yield '  graph [rankdir=LR, fontname="sans-serif"]; node [shape=box, fontname="sans-serif"]; edge [fontname="sans-serif", fontsize=10];'
    for number, (box, nodes) in enumerate(boxes(found).items()):
        if box:
            yield f"  subgraph cluster_{number} {{"
            yield f"    label={quoted(box)};"
        yield from (f"  {'  ' if box else ''}{node_line(node)}" for node in nodes)
        if box:
            yield "  }"
    for edge in found.edges:
        dashed = "" if edge.sure else ", style=dashed"
        yield f"  {quoted(edge.source)} -> {quoted(edge.destination)} [label={quoted(edge.text)}{dashed}];"
    yield "}"


def node_line(node: Node) -> str:
    """A node."""
    return f"{quoted(node.name)} [label={quoted(node.text)}];"


def quoted(text: str) -> str:
    """A text as a string of the language."""
    return '"' + safe(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


FORMAT = ConnectivityFormat("dot", write)
