"""What stands around the sections of a page: its policy, its head with links to the sections, its one script."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from analyzer.report.page.style import STYLE
from analyzer.report.page.text import shown, tag

HEADING = re.compile(r'<section id="([a-z]+)"[^>]*><h2[^>]*>([^<]+)')
POLICY = "default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'"
PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>analyze: {title}</title>
<style>{style}</style>
</head>
<body>
<a class="skip" href="#main">to the report</a>
<header><h1>Kubernetes networking: {title}</h1>{strip}{links}</header>
<main id="main">{sections}</main>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""


def page(title: str, parts: Iterable[str], strip: str = "", data: Mapping[str, Any] | None = None, script: str = "") -> str:
    """A page of sections, of which empty ones are left out. ``strip`` is the answer in a line, as HTML; ``data`` is what ``script`` reads."""
    sections = list(filter(None, parts))
    return PAGE.format(
        policy=POLICY.format(script=digest(script), style=digest(STYLE)),
        title=shown(title),
        style=STYLE,
        strip=strip,
        links=links(sections) if len(sections) > 1 else "",
        sections="".join(sections),
        data=embedded(data or {}),
        script=script,
    )


def links(sections: Iterable[str]) -> str:
    """The ways to the sections."""
    items = "".join(tag("li", tag("a", name, href=f"#{identifier}")) for identifier, name in map(heading, sections))
    return tag("nav", tag("ul", items), aria_label="Sections")


def heading(part: str) -> tuple[str, str]:
    """The id and the title of a section."""
    found = HEADING.match(part)
    assert found is not None
    return found[1], found[2]


def digest(text: str) -> str:
    """The hash by which the page's policy knows a script or a style."""
    return b64encode(sha256(text.encode()).digest()).decode()


def embedded(value: Any) -> str:
    """JSON that can stand in HTML: what could end the block is escaped."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
