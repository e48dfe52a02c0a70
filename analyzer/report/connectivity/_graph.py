"""The answer as a graph that can be drawn: endpoints in their namespaces, or namespaces where there would be too many edges."""

from __future__ import annotations

from analyzer.query.connectivity.answer import Connectivity
from analyzer.report.connectivity._names import OUTSIDE, by_namespace, local, namespace_of, spaces_of, words
from analyzer.report.graphs import Edge, Graph, Node, Tone

MOST_EDGES = 400


def graph(found: Connectivity) -> Graph:
    """The graph of endpoints; of namespaces, where that has too many edges."""
    edges = []
    for links, tone in ((found.links, Tone.PLAIN), (found.uncertain, Tone.UNSURE)):
        for pair in found.pairs(links):
            edges.append(Edge(pair.source, pair.destination, words(pair.link.allow), tone))
            if len(edges) > MOST_EDGES:
                return of_namespaces(found)
    ends = {name for edge in edges for name in (edge.source, edge.destination)} | {party.id for party in found.parties}
    nodes = (Node(name, local(name), "" if namespace_of(name) == OUTSIDE else namespace_of(name)) for name in sorted(ends))
    return Graph(tuple(nodes), tuple(sorted(edges, key=order)))


def of_namespaces(found: Connectivity) -> Graph:
    """The graph of namespaces, with how many pairs of endpoints may talk."""
    cells = by_namespace(found)
    nodes = tuple(Node(name, name, "") for name in spaces_of(found, cells))
    edges = []
    for (source, destination), cell in cells.items():
        if cell.pairs:
            what = "everything" if cell.everything else "some ports"
            edges.append(Edge(source, destination, f"{cell.pairs} pairs, {what}"))
        elif cell.perhaps:
            edges.append(Edge(source, destination, f"{cell.perhaps} pairs, not certain", Tone.UNSURE))
    return Graph(nodes, tuple(sorted(edges, key=order)))


def order(edge: Edge) -> tuple[str, str, bool, str]:
    """Edges by their ends."""
    return edge.source, edge.destination, edge.tone is Tone.UNSURE, edge.text
