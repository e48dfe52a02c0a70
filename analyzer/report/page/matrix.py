"""Who may talk to whom, as a matrix of namespaces: a square of it shows its pairs. The script ``matrix.js`` draws it of the page's data."""

from __future__ import annotations

from analyzer.report.page.text import section

TALK = """\
<p id="summary"></p>
<form role="search"><label>Find <input id="find" type="search" placeholder="namespace or endpoint"></label></form>
<div class="talk"><div><div id="matrix" tabindex="0" role="region" aria-label="Matrix of namespaces"></div>
<p class="legend"><span class="all"></span> everything <span class="some"></span> some ports <span class="perhaps"></span> not certain <span class="none"></span> nothing; rows to columns</p></div>
<div id="detail" aria-live="polite" tabindex="0" role="region" aria-label="Pairs of the chosen square"></div></div>
<noscript><p>The matrix is drawn by the page's own script; <code>analyze connectivity</code> prints it.</p></noscript>
"""


def part() -> str:
    """The section of the page."""
    return section("connectivity", "Who may talk to whom", TALK)
