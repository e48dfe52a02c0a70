"""The answer as a flowchart for Mermaid, with a subgraph for each namespace."""

from __future__ import annotations

from collections.abc import Iterable

from analyzer.report.connectivity import Answer, ConnectivityFormat
from analyzer.report.connectivity._graph import graph
from analyzer.report.graphs import mermaid
from analyzer.report.style import Style


def write(answer: Answer, style: Style) -> Iterable[str]:
    """A flowchart."""
    del style
    return [mermaid(graph(answer.found))]


FORMAT = ConnectivityFormat("mermaid", write)
