"""The report as one page: offline, with no script from elsewhere, light and dark, readable without a mouse and without its script.

Nothing is loaded and nothing sent: the page's own policy forbids it, and lets its one script and style run by their hashes. Texts of the input are
escaped, or stand in a block of data and are put on the page as text.
"""

from __future__ import annotations

from analyzer.findings import Report, Verdict
from analyzer.model.cluster import Cluster
from analyzer.model.network import Network
from analyzer.report import Format
from analyzer.report.page import answers, cluster, findings, matrix
from analyzer.report.page import topology as page_topology
from analyzer.report.page.shell import page
from analyzer.report.page.style import FILTER, MATRIX
from analyzer.report.style import Style
from analyzer.report.topology import has_nodes, topology


def write(report: Report, style: Style) -> str:
    """The page of a report alone."""
    return draw(report, Network({}, Cluster()), style)


def draw(report: Report, network: Network, style: Style) -> str:
    """The page."""
    del style
    sources = {source.path: source for source in report.sources}
    talk = connectivity(network)
    decided = any(item.verdict is not Verdict.NOT_APPLICABLE for item in report.guarantees)
    parts = [
        answers.causes(report, sources),
        answers.guarantees(report) if decided else "",
        answers.intents(report),
        findings.changed(report),
        findings.findings(report, sources),
        page_topology.part(topology(network, report)) if has_nodes(network) else "",
        matrix.part() if talk else "",
        cluster.addresses(network),
        cluster.nodes(network, report),
        "" if decided else answers.guarantees(report),
        answers.unknown(report),
    ]
    script = FILTER + (MATRIX if talk else "")
    return page("report", parts, answers.strip(report), talk or {}, script)


def connectivity(network: Network) -> dict[str, object] | None:
    """What the matrix shows: who may talk to whom by the policies; None where nobody is there."""
    from analyzer.query.connectivity.answer import connectivity as decided
    from analyzer.query.connectivity.entrances import entrances
    from analyzer.query.policies import of_network
    from analyzer.report.connectivity import Answer
    from analyzer.report.connectivity.html import data

    known = of_network(network)
    if not known.world.entities:
        return None
    found = decided(known)
    answer = Answer(found, tuple(entrances(known, found.parties)), None, known.world.profile.name)
    return data(answer)


FORMAT = Format("html", write, follows_paths=True, draw=draw)
