"""The topology as a flowchart for Mermaid."""

from __future__ import annotations

from analyzer.findings import Report
from analyzer.model.cluster import Cluster
from analyzer.model.network import Network
from analyzer.report import Format
from analyzer.report.graphs import mermaid
from analyzer.report.style import Style
from analyzer.report.topology import topology


def write(report: Report, style: Style) -> str:
    """The picture of a report alone, which knows no nodes."""
    return draw(report, Network({}, Cluster()), style)


def draw(report: Report, network: Network, style: Style) -> str:
    """The picture."""
    del style
    return mermaid(topology(network, report))


FORMAT = Format("mermaid", write, draw=draw)
