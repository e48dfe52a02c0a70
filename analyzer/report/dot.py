"""The topology as a graph for Graphviz."""

from __future__ import annotations

from analyzer.findings import Report
from analyzer.model.cluster import Cluster
from analyzer.model.network import Network
from analyzer.report import Format
from analyzer.report.graphs import dot
from analyzer.report.style import Style
from analyzer.report.topology import topology


def write(report: Report, style: Style) -> str:
    """The picture of a report alone, which knows no nodes."""
    return draw(report, Network({}, Cluster()), style)


def draw(report: Report, network: Network, style: Style) -> str:
    """The picture."""
    del style
    return dot(topology(network, report), "topology")


FORMAT = Format("dot", write, draw=draw)
