"""The topology as a picture; of manifests, which say nothing of nodes, the matrix of who may talk to whom."""

from __future__ import annotations

from analyzer.findings import Report
from analyzer.model.cluster import Cluster
from analyzer.model.network import Network
from analyzer.report import Format
from analyzer.report.page.topology import alone
from analyzer.report.style import Style
from analyzer.report.topology import flows, has_nodes, topology


def write(report: Report, style: Style) -> str:
    """The picture of a report alone, which knows no nodes."""
    return draw(report, Network({}, Cluster()), style)


def draw(report: Report, network: Network, style: Style) -> str:
    """The picture."""
    del style
    known = None if has_nodes(network) else flows(network)
    if known is None:
        return alone(topology(network, report))
    from analyzer.report.connectivity.svg import picture

    return picture(known)


FORMAT = Format("svg", write, draw=draw)
