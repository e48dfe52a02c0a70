"""The answer as a graph that can be drawn: endpoints in their namespaces, or namespaces where there would be too many edges."""

from __future__ import annotations

from dataclasses import dataclass

from analyzer.query.connectivity.answer import Connectivity
from analyzer.report.connectivity._names import OUTSIDE, by_namespace, local, namespace_of, spaces_of, words

MOST_EDGES = 400


@dataclass(frozen=True, slots=True)
class Node:
    """A node: its name, what to write into it, and the box that it stands in (empty: none)."""

    name: str
    text: str
    box: str


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge; ``sure`` False: only perhaps."""

    source: str
    destination: str
    text: str
    sure: bool = True


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes and edges in order."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def graph(found: Connectivity) -> Graph:
    """The graph of endpoints; of namespaces, where that has too many edges."""
    edges = []
    for links, sure in ((found.links, True), (found.uncertain, False)):
        for pair in found.pairs(links):
            edges.append(Edge(pair.source, pair.destination, words(pair.link.allow), sure))
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
            edges.append(Edge(source, destination, f"{cell.perhaps} pairs, not certain", sure=False))
    return Graph(nodes, tuple(sorted(edges, key=order)))


def order(edge: Edge) -> tuple[str, str, bool, str]:
    """Edges by their ends."""
    return edge.source, edge.destination, not edge.sure, edge.text


def boxes(found: Graph) -> dict[str, list[Node]]:
    """The nodes of each box, in order; those without one first."""
    result: dict[str, list[Node]] = {"": []}
    for node in sorted(found.nodes, key=lambda node: (node.box, node.name)):
        result.setdefault(node.box, []).append(node)
    return result
