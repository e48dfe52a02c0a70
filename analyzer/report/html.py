"""The report as one page: offline, with no script from elsewhere, light and dark, readable without a mouse and without its script.

Nothing is loaded and nothing sent: the page's own policy forbids it, and lets its one script and style run by their hashes. Texts of the input are
escaped, or stand in a block of data and are put on the page as text.
"""

from __future__ import annotations

from analyzer.findings import Report
from analyzer.model.cluster import Cluster
from analyzer.model.network import Network
from analyzer.report import Format
from analyzer.report.page import answers, cluster
from analyzer.report.page import topology as page_topology
from analyzer.report.page.shell import page
from analyzer.report.page.style import FILTER
from analyzer.report.page.text import section
from analyzer.report.style import Style
from analyzer.report.topology import topology

TALK = """\
<p id="summary"></p><form role="search"><label>Find <input id="find" type="search" placeholder="namespace or endpoint"></label></form>
<div class="talk"><div><div id="matrix" tabindex="0" role="region" aria-label="Matrix of namespaces"></div><p class="legend"><span class="all"></span> everything <span class="some"></span> some ports
<span class="perhaps"></span> not certain <span class="none"></span> nothing; rows to columns</p></div><div id="detail" aria-live="polite" tabindex="0" role="region" aria-label="Pairs of the chosen square"></div></div>
<noscript><p>The matrix is drawn by the page's own script; <code>analyze connectivity</code> prints it.</p></noscript>
"""


def write(report: Report, style: Style) -> str:
    """The page of a report alone."""
    return draw(report, Network({}, Cluster()), style)


def draw(report: Report, network: Network, style: Style) -> str:
    """The page."""
    del style
    from analyzer.report.connectivity._page import SCRIPT

    sources = {source.path: source for source in report.sources}
    talk = connectivity(network)
    parts = [
        answers.causes(report, sources),
        answers.guarantees(report),
        page_topology.part(topology(network, report)) if network.namespaces or network.cluster.nodes else "",
        answers.intents(report),
        answers.changed(report),
        answers.findings(report, sources),
        section("connectivity", "Who may talk to whom", TALK) if talk else "",
        cluster.addresses(network),
        cluster.nodes(network, report),
        answers.unknown(report),
    ]
    script = FILTER + (SCRIPT.replace('"use strict";', "{", 1) + "}\n" if talk else "")
    title = "something is wrong" if any(item.fails for item in report.guarantees) or report.causes else "report"
    return page(title, parts, answers.strip(report), talk or {}, script)


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
