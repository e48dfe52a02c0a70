"""The answer as a flowchart for Mermaid, which GitHub and GitLab draw; texts are quoted, and what could end the quotes is an entity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from analyzer.report.connectivity import Answer, ConnectivityFormat
from analyzer.report.connectivity._graph import Graph, boxes, graph
from analyzer.report.style import Style, safe

PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -_./:,()*")


def write(answer: Answer, style: Style) -> Iterable[str]:
    """A flowchart with a subgraph for each namespace."""
    del style
    return ["\n".join(lines(graph(answer.found))) + "\n"]


def lines(found: Graph) -> Iterator[str]:
    """The lines of the flowchart."""
    yield "flowchart LR"
    numbers = {node.name: f"n{number}" for number, node in enumerate(found.nodes)}
    for number, (box, nodes) in enumerate(boxes(found).items()):
        if box:
            yield f"  subgraph s{number}[{quoted(box)}]"
        yield from (f"  {'  ' if box else ''}{numbers[node.name]}[{quoted(node.text)}]" for node in nodes)
        if box:
            yield "  end"
    for edge in found.edges:
        arrow = "-->" if edge.sure else "-.->"
        yield f"  {numbers[edge.source]} {arrow}|{quoted(edge.text)}| {numbers[edge.destination]}"


def quoted(text: str) -> str:
    """A text in quotes; characters that mean something to Mermaid or to HTML as entities of Mermaid (``#35;``)."""
    return '"' + "".join(sign if sign in PLAIN else f"#{ord(sign)};" for sign in safe(text)) + '"'


FORMAT = ConnectivityFormat("mermaid", write)
