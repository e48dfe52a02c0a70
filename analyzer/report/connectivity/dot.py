"""The answer as a graph for Graphviz, with a cluster for each namespace."""

from __future__ import annotations

from collections.abc import Iterable

from analyzer.report.connectivity import Answer, ConnectivityFormat
from analyzer.report.connectivity._graph import graph
from analyzer.report.graphs import dot
from analyzer.report.style import Style


def write(answer: Answer, style: Style) -> Iterable[str]:
    """A digraph."""
    del style
    return [dot(graph(answer.found), "connectivity")]


FORMAT = ConnectivityFormat("dot", write)
